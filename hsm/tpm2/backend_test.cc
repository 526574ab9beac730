#include "hsm/tpm2/backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "hsm/tpm2/storage_key.h"
#include "protocol/base/random.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::hsm::tpm2 {
namespace {

Secret random_key() {
  Secret key(32);
  system_random().fill(key.fill());
  return key;
}

bool contains(const std::string& haystack, ByteView needle) {
  return haystack.find(text_of(needle)) != std::string::npos;
}

class BackendOnATpm : public testing::Test {
 protected:
  BackendOnATpm() { setenv("TSS2_LOG", "all+none", 1); }
  std::unique_ptr<Backend> backend(const std::string& query = "") const {
    auto opened = open({.uri = tpm_.uri() + query});
    invariant(bool(opened));
    return *std::move(opened);
  }
  std::unique_ptr<Esys> connect(const std::string& prefix = "") const {
    auto esys = Esys::connect(prefix + tpm_.tcti());
    invariant(bool(esys));
    return *std::move(esys);
  }
  // Runs `use` with a backend while its TPM's bus is recorded, and returns everything that passed.
  template <typename F>
  std::string bus_while(F&& use, const std::string& name = {}) const {
    const auto capture = scratch_ / "bus";
    std::filesystem::remove(capture);
    setenv("TCTI_PCAP_FILE", capture.c_str(), 1);
    auto opened = open({.uri = "tpm:pcap:" + tpm_.tcti(), .name = name});
    invariant(bool(opened));
    use(**opened);
    opened->reset();
    return harness::read_file(capture);
  }

  harness::Scratch scratch_;
  harness::SoftTpm tpm_{scratch_ / "tpm"};
};

// TPM2_StartAuthSession as a command: tag TPM_ST_NO_SESSIONS, size, command code.
bool starts_a_session(const std::string& bus) {
  const std::string tag("\x80\x01", 2);
  const std::string code("\0\0\x01\x76", 4);
  for (std::size_t at = bus.find(tag); at != std::string::npos; at = bus.find(tag, at + 1))
    if (bus.compare(at + 6, 4, code) == 0) return true;
  return false;
}

TEST_F(BackendOnATpm, ShowsNoKeyOnTheBus) {
  const Secret key = random_key();
  Bytes sealed;
  const std::string bus = bus_while([&](Backend& backend) {
    auto result = backend.seal(key);
    ASSERT_TRUE(result) << result.error().message();
    sealed = *result;
    ASSERT_TRUE(backend.unseal(sealed));
  });
  EXPECT_FALSE(contains(bus, key.reveal().first(16)));
  EXPECT_FALSE(contains(bus, key.reveal().last(16)));
  // Data that passes in the clear is found: the public part of the sealed object, and the commands
  // themselves.
  const auto blob = SealedBlob::parse(sealed);
  ASSERT_TRUE(blob);
  EXPECT_TRUE(contains(bus, blob->unique));
  EXPECT_TRUE(starts_a_session(bus));
}

// Another chip replaces the agent's own while the agent seals: the key is not sent.
TEST_F(BackendOnATpm, SendsNoKeyToAnotherTpmThanTheAgentsOwn) {
  const harness::SoftTpm other(scratch_ / "other");
  const auto opened = open({.uri = other.uri()});
  ASSERT_TRUE(opened) << opened.error().message();
  const auto own = (*opened)->name();
  ASSERT_TRUE(own) << own.error().message();
  const Secret key = random_key();
  const std::string bus = bus_while(
      [&](Backend& backend) {
        const auto sealed = backend.seal(key);
        ASSERT_FALSE(sealed);
        EXPECT_EQ(sealed.error().code(), Code::altered);
      },
      *own);
  EXPECT_FALSE(bus.empty());
  EXPECT_FALSE(starts_a_session(bus));
  EXPECT_FALSE(contains(bus, key.reveal().first(16)));
  EXPECT_FALSE(contains(bus, key.reveal().last(16)));
}

TEST_F(BackendOnATpm, StartsNoSessionWithAStorageKeyThatIsNotTheBlobs) {
  const auto sealed = backend()->seal(random_key());
  ASSERT_TRUE(sealed) << sealed.error().message();
  auto blob = SealedBlob::parse(*sealed);
  ASSERT_TRUE(blob);
  blob->storage_key.back() ^= 1;
  const std::string bus = bus_while([&](Backend& backend) {
    const auto key = backend.unseal(blob->encode());
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code(), Code::altered);
  });
  EXPECT_FALSE(bus.empty());
  EXPECT_FALSE(starts_a_session(bus));
}

TEST_F(BackendOnATpm, TakesSlotsThatAKilledProcessLeft) {
  const auto sealed = backend()->seal(random_key());
  ASSERT_TRUE(sealed) << sealed.error().message();
  {
    // Ends without flushing anything, as a killed process does.
    const auto esys = connect();
    TPMT_SYM_DEF none{};
    none.algorithm = TPM2_ALG_NULL;
    for (int i = 0; i < 2; ++i) {
      ESYS_TR session = ESYS_TR_NONE;
      ASSERT_EQ(Esys_StartAuthSession(esys->get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                      ESYS_TR_NONE, nullptr, TPM2_SE_HMAC, &none, TPM2_ALG_SHA256, &session),
                TSS2_RC_SUCCESS);
    }
  }
  const auto key = backend()->unseal(*sealed);
  EXPECT_TRUE(key) << key.error().message();
}

TEST_F(BackendOnATpm, LeavesNothingInTheTpm) {
  const auto sealed = backend()->seal(random_key());
  ASSERT_TRUE(sealed) << sealed.error().message();
  ASSERT_TRUE(backend()->unseal(*sealed));
  const auto esys = connect();
  for (const UINT32 first : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST, TPM2_PERSISTENT_FIRST}) {
    EsysOwned<TPMS_CAPABILITY_DATA> found;
    TPMI_YES_NO more = TPM2_NO;
    ASSERT_EQ(Esys_GetCapability(esys->get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES,
                                 first, 8, &more, out(found)),
              TSS2_RC_SUCCESS);
    EXPECT_EQ(found->data.handles.count, 0U);
  }
}

TEST_F(BackendOnATpm, AcceptsPinsOfAnyLengthAndTellsThemApart) {
  const auto file = scratch_ / "pin";
  const std::string query = "?pin-source=file:" + file.string();
  harness::write_file(file, std::string(255, '7'));
  const auto sealed = backend(query)->seal(random_key());
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_TRUE(backend(query)->unseal(*sealed));
  for (const std::string& other : {std::string(254, '7'), std::string("7")}) {
    harness::write_file(file, other);
    const auto key = backend(query)->unseal(*sealed);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code(), Code::wrong_code) << key.error().message();
  }
  const auto key = backend()->unseal(*sealed);
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code(), Code::wrong_code) << key.error().message();
}

TEST_F(BackendOnATpm, DoesNotLockTheTpmWithWrongPins) {
  const auto file = scratch_ / "pin";
  const std::string query = "?pin-source=file:" + file.string();
  harness::write_file(file, "right");
  const auto sealed = backend(query)->seal(random_key());
  ASSERT_TRUE(sealed) << sealed.error().message();
  harness::write_file(file, "wrong");
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(backend(query)->unseal(*sealed));
  harness::write_file(file, "right");
  EXPECT_TRUE(backend(query)->unseal(*sealed));
}

TEST_F(BackendOnATpm, UsesThePersistentStorageKeyOfAnOwnerWithAPassword) {
  const auto sealed = backend()->seal(random_key());
  ASSERT_TRUE(sealed) << sealed.error().message();
  const auto esys = connect();
  const auto key = StorageKey::make(*esys);
  ASSERT_TRUE(key) << key.error().message();
  ESYS_TR persistent = ESYS_TR_NONE;
  ASSERT_EQ(Esys_EvictControl(esys->get(), ESYS_TR_RH_OWNER, key->handle(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE, 0x81000001, &persistent),
            TSS2_RC_SUCCESS);
  const TPM2B_AUTH password = {.size = 4, .buffer = {'p', 'a', 's', 's'}};
  ASSERT_EQ(Esys_HierarchyChangeAuth(esys->get(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &password),
            TSS2_RC_SUCCESS);
  EXPECT_TRUE(backend()->seal(random_key()));
  EXPECT_TRUE(backend()->unseal(*sealed));  // the same key, so what was sealed before opens

  ASSERT_EQ(Esys_TR_SetAuth(esys->get(), ESYS_TR_RH_OWNER, &password), TSS2_RC_SUCCESS);
  ESYS_TR gone = ESYS_TR_NONE;
  ASSERT_EQ(Esys_EvictControl(esys->get(), ESYS_TR_RH_OWNER, persistent, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE, 0x81000001, &gone),
            TSS2_RC_SUCCESS);
  const auto refused = backend()->unseal(*sealed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unavailable);
  EXPECT_NE(refused.error().message().find("owner hierarchy"), std::string::npos)
      << refused.error().message();
}

TEST_F(BackendOnATpm, SealsTheSameAfterARestart) {
  const Secret key = random_key();
  const auto sealed = backend()->seal(key);
  ASSERT_TRUE(sealed) << sealed.error().message();
  tpm_.kill();
  tpm_.start();
  const auto unsealed = backend()->unseal(*sealed);
  ASSERT_TRUE(unsealed) << unsealed.error().message();
  EXPECT_TRUE(equal_in_constant_time(*unsealed, key));
}

}  // namespace
}  // namespace coprotect::hsm::tpm2
