#include "provisioning/handover/restore.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "protocol/base/test_must.h"
#include "protocol/recovery/code.h"
#include "provisioning/client_directory.h"
#include "provisioning/test_tenant.h"
#include "swtpm-tests/harness/scratch.h"

// What `restore` rejects before it asks an agent. swtpm-tests/lifecycle tests it with agents.
namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::RecoveryKit;

constexpr std::string_view kPassphrase = "the passphrase of the client CA";

class RestoreTest : public testing::Test {
 protected:
  // A kit whose administrator has this name. It contains the client CA's key, like the first key's kit.
  RecoveryKit kit_of(const TestTenant& tenant, const std::string& name) const {
    auto blob = must(protocol::RecoveryBlob::seal_with(
        {8, 1, 1}, {1}, {2}, must(protocol::read_code(code_.reveal())), tenant.bundle.key_id(),
        tenant.bundle.group().suite(), tenant.recovery));
    return RecoveryKit::seal(
        tenant.bundle.encoded(), blob.first,
        tenant.client({"coprotect:acme:recovery:" + name}, tenant.tool.public_key()).der(), tenant.tool,
        &tenant.ca.key, blob.second, system_random());
  }
  fs::path keep(const RecoveryKit& kit, const fs::path& file) const {
    must(make_private_directory(file.parent_path()));
    must(write_durable(file, kit.encode(), kPrivateMode));
    return file;
  }
  // The parts of a restored folder that are read.
  void keep_company(const TestTenant& tenant) const {
    must(make_private_directory(folder_));
    must(write_durable(folder_ / "acme.bundle", tenant.bundle.encoded(), kPublicMode));
    const auto sealed =
        must(seal_ca_key(tenant.ca.key, tenant.ca.certificate, Secret::copy_of(bytes_of(kPassphrase)),
                         system_random(), ca_key_cost(8)));
    must(write_durable(folder_ / "client-ca.key", sealed, kPrivateMode));
  }
  static int line(std::string_view text) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const std::string with_end = std::string(text) + "\n";
    EXPECT_EQ(write(ends[1], with_end.data(), with_end.size()), static_cast<ssize_t>(with_end.size()));
    close(ends[1]);
    return ends[0];
  }
  std::string refused(const RestoreOptions& options) const {
    const Operator person{
        {.show_code = {}, .code = line(text_of(code_.reveal())), .ca_passphrase = line(kPassphrase)}};
    const auto status = restore(options, person, now_ms(), system_random());
    return status ? "ok" : std::string(code_name(status.error().code())) + ": " + status.error().message();
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
  RestoreOptions into(const fs::path& kit) const {
    return {.kit = kit, .invitation = scratch_ / "none", .out = folder_};
  }
  RestoreOptions further(const fs::path& kit, const std::string& key = {}) const {
    return {.kit = kit, .invitation = scratch_ / "none", .out = {}, .directory = folder_, .key = key};
  }

  const harness::Scratch scratch_;
  const fs::path folder_ = scratch_ / "restored";
  const Secret code_ = protocol::generate_code(system_random());
  const TestTenant first_;
  const TestTenant other_;
};

// Otherwise it would report this key as restored without having done anything for it.
TEST_F(RestoreTest, IntoTheFolderOfAnotherKeyIsAConflict) {
  const fs::path kit = keep(kit_of(other_, "rotation-1"), scratch_ / "kits" / "other.kit");
  for (const fs::path& present : {folder_ / ".onboarding" / "acme.kit", folder_ / "acme.kit"}) {
    must(make_private_directory(folder_));
    keep(kit_of(first_, "recovery"), present);
    const std::string why = refused(into(kit));
    EXPECT_TRUE(why.starts_with("conflict: \"" + folder_.string() + "\" holds key " +
                                to_hex(first_.bundle.key_id()) + ", and the kit is of key " +
                                to_hex(other_.bundle.key_id())))
        << why;
  }
}

TEST_F(RestoreTest, AFurtherKeyGoesIntoItsOwnCompanysFolderOnce) {
  keep_company(first_);
  const std::string folder = "\"" + folder_.string() + "\"";
  const fs::path others = keep(kit_of(other_, "rotation-1"), scratch_ / "kits" / "other.kit");
  EXPECT_EQ(refused(further(others)), "conflict: " + folder + " is of another company than the kit");
  const fs::path own = keep(kit_of(first_, "rotation-1"), scratch_ / "kits" / "own.kit");
  EXPECT_EQ(refused(further(own)), "conflict: " + folder + " has the kit's key already, as \"acme\"");
  EXPECT_FALSE(fs::exists(folder_ / "keys"));
}

TEST_F(RestoreTest, AFurtherKeyIsCalledAsItsKitSaysOrAsItIsTold) {
  keep_company(first_);
  const fs::path kit = keep(kit_of(other_, "recovery"), scratch_ / "kits" / "other.kit");
  EXPECT_TRUE(contains(refused(further(kit)), "is a name of the first key"));
  EXPECT_TRUE(contains(refused(further(kit, "acme")), "is a name of the first key"));
  EXPECT_TRUE(contains(refused(further(kit, "old")), "is of another company"));
}

}  // namespace
}  // namespace coprotect::provisioning
