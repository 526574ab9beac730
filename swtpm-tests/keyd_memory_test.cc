// The memory of a live coprotect-keyd that gave its answers and waits for more, as a core of it would show
// it, has nothing of the secrets that it made. It is not dumpable, so only root can look.

#include <gtest/gtest.h>
#include <openssl/ec.h>

#include <thread>

#include "client/derivation.h"
#include "client/keyclient/key_client.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/p256.h"
#include "swtpm-tests/derive/peer.h"
#include "swtpm-tests/harness/system.h"
#include "swtpm-tests/no_residue.h"

namespace coprotect::harness {
namespace {

using keyclient::Kdf;
using keyclient::KeyClient;
using protocol::SuiteId;

constinit KeyClient key_client;

// The coordinates of a Diffie–Hellman secret: of P-256 both, and −y, since x alone is known.
std::vector<Secret> coordinates(SuiteId suite, const Secret& z) {
  std::vector<Secret> found;
  found.push_back(z.clone());
  if (suite != SuiteId::p256) return found;
  for (const std::uint8_t tag : {std::uint8_t{2}, std::uint8_t{3}}) {
    Bytes compressed = {tag};
    compressed.insert(compressed.end(), z.reveal().begin(), z.reveal().end());
    const auto point = protocol::p256::parse_point(compressed);
    invariant(point.has_value());
    found.push_back(Secret::copy_of(ByteView(*point).last(32)));
  }
  return found;
}

class MemoryOfKeyd : public testing::TestWithParam<SuiteId> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(
        System::Options{.suite = std::string(protocol::suite_name(GetParam())), .derive_key = true});
    if (HasFailure()) GTEST_FAIL() << "no system";
    const auto alice = system_->add_client("alice");
    setenv("COPROTECT_CONFIG", alice.c_str(), 1);
    std::filesystem::create_symlink(System::program("coprotect-keyd"), keyd());
    setenv("COPROTECT_KEYD", keyd().c_str(), 1);
    for (const keyclient::Key& key : must(key_client.list()))
      (key.purpose == keyclient::Purpose::derive ? derive_ : envelope_) = key;
  }
  void TearDown() override { key_client.close(); }

  std::filesystem::path keyd() const { return system_->folder() / "coprotect-keyd"; }
  pid_t process() const {
    const auto running = processes_of(keyd());
    EXPECT_EQ(running.size(), 1u);
    return running.empty() ? 0 : *running.begin();
  }
  MemorySearch search(const Secret& secret) const { return search_memory(process(), secret.reveal()); }
  // Derives with this peer and looks for everything of it.
  void derive(const Peer& peer, Kdf kdf, std::uint16_t size) {
    const Bytes value = peer.public_value();
    const Bytes info = {1, 2, 3};
    const auto derived =
        must(key_client.derive({.key_id = derive_.key_id,
                                .peer = value,
                                .kdf = kdf,
                                .shared_info = kdf == Kdf::none ? ByteView() : ByteView(info),
                                .size = size},
                               derive_.patience));
    const Secret z = peer.shared_secret(derive_.public_key);
    if (kdf == Kdf::none) {
      EXPECT_TRUE(equal_in_constant_time(derived.reveal(), z.reveal().last(size)));
    }
    for (const Secret& part : coordinates(GetParam(), z)) EXPECT_TRUE(none(search(part)));
    EXPECT_TRUE(none(search(Secret::copy_of(derived.reveal()))));
    // The search does read this process: it finds what is no secret.
    EXPECT_FALSE(search(Secret::copy_of(derive_.public_key)).found.empty());
  }

  std::unique_ptr<System> system_;
  keyclient::Key derive_;
  keyclient::Key envelope_;
};
INSTANTIATE_TEST_SUITE_P(Suites, MemoryOfKeyd, testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& suite) { return std::string(suite_name(suite.param)); });

TEST_P(MemoryOfKeyd, HasNothingOfADerivation) {
  const auto whole = static_cast<std::uint16_t>(keyclient::shared_secret_size(derive_.suite));
  for (int i = 0; i < 3; ++i) derive(Peer(GetParam()), Kdf::sha256, 48);
  derive(Peer(GetParam()), Kdf::none, whole);
  derive(Peer(GetParam()), Kdf::sha512, 256);
}

TEST_P(MemoryOfKeyd, HasNothingOfADecapsulation) {
  for (int i = 0; i < 3; ++i) {
    const auto made = must(key_client.encapsulate(envelope_));
    EXPECT_TRUE(none(search(Secret::copy_of(made.secret.reveal()))));
    const auto secret = must(key_client.decapsulate(envelope_, made.bytes));
    EXPECT_TRUE(equal_in_constant_time(secret.reveal(), made.secret.reveal()));
    EXPECT_TRUE(none(search(Secret::copy_of(secret.reveal()))));
  }
}

}  // namespace
}  // namespace coprotect::harness
