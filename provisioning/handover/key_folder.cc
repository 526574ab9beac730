#include "provisioning/handover/key_folder.h"

#include "client/enrolment.h"
#include "provisioning/further_keys.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;
using protocol::RecoveryKit;

constexpr std::string_view kSheet = "recovery-sheet.txt";

Result<std::optional<RecoveryKit>> read_kit(const fs::path& file) {
  const auto encoded = client::read_small_file(file, kMaxFile);
  if (!encoded && encoded.error().code() == Code::not_found) return std::optional<RecoveryKit>();
  if (!encoded) return encoded.error();
  auto kit = RecoveryKit::parse(*encoded);
  if (!kit) return std::move(kit).error().in("\"" + file.string() + "\"");
  return std::optional(*std::move(kit));
}

}  // namespace

KeyFolder::KeyFolder(fs::path company, fs::path folder, std::string name, Bundle bundle,
                     ClientDirectory administrator)
    : company_(std::move(company)),
      folder_(std::move(folder)),
      name_(std::move(name)),
      bundle_(std::move(bundle)),
      administrator_(std::move(administrator)) {}

Result<KeyFolder> KeyFolder::open(const fs::path& company, const std::string& key) {
  auto administrator = ClientDirectory::load(company / "admin" / "config.toml");
  if (!administrator)
    return with_hint(std::move(administrator).error(),
                     "--dir names the folder that onboard was given as --out");
  const std::string name = key.empty() ? administrator->bundle.tenant() : key;
  const fs::path folder = key.empty() ? company : company / kFurtherKeys / key;
  auto bundle = client::load_bundle(folder / (name + ".bundle"), std::nullopt);
  if (!bundle) return std::move(bundle).error();
  if (bundle->tenant() != administrator->bundle.tenant())
    return Error(Code::altered, "\"" + folder.string() + "\" holds a key of another tenant");
  return KeyFolder(company, folder, name, *std::move(bundle), *std::move(administrator));
}

Result<std::optional<RecoveryKit>> KeyFolder::kit() const {
  return read_kit(kit_file());
}

Status KeyFolder::renew(const Bundle& bundle) {
  if (!bundle.extends(bundle_))
    return Error(Code::altered, "the agents show another history of key " + to_hex(bundle_.key_id()) +
                                    " than the folder has");
  bundle_ = bundle;
  auto present = kit();
  if (!present) return std::move(present).error();
  if (*present)
    if (auto done =
            write_durable(kit_file(), (*present)->with_bundle(bundle.encoded()).encode(), kPrivateMode);
        !done)
      return done;
  if (folder_ == company_)
    if (auto done = write_client_bundle(company_ / "admin", bundle.tenant(), bundle.encoded()); !done)
      return done;
  return write_durable(bundle_file(), bundle.encoded(), kPublicMode);
}

Status KeyFolder::commit(const RecoveryKit& kit, std::string_view sheet) {
  if (auto made = make_private_directory(staging()); !made) return made;
  if (auto done = write_durable(staging() / kSheet, bytes_of(sheet), kPublicMode); !done) return done;
  return write_durable(staging() / (name_ + ".kit"), kit.encode(), kPrivateMode);
}

Result<std::optional<RecoveryKit>> KeyFolder::committed() const {
  return read_kit(staging() / (name_ + ".kit"));
}

Status KeyFolder::install() {
  std::error_code ignored;
  if (fs::exists(staging() / kSheet, ignored))
    if (auto moved = rename_durable(staging() / kSheet, folder_ / kSheet); !moved) return moved;
  if (auto moved = rename_durable(staging() / (name_ + ".kit"), kit_file()); !moved) return moved;
  return discard();
}

Status KeyFolder::discard() {
  return remove_tree(staging());
}

}  // namespace coprotect::provisioning
