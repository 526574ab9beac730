// The provider inside a program: its own library contexts, other providers, threads, a fork, errors.

#include <openssl/core_names.h>
#include <openssl/pem.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include "swtpm-tests/integration/evp.h"
#include "swtpm-tests/integration/joint_key.h"

namespace coprotect::harness {
namespace {

constexpr const char* kKey = "coprotect:derive";
constexpr const char* kFileKey = "coprotect:acme";

bool is_mapped() {
  std::ifstream maps("/proc/self/maps");
  const std::string text{std::istreambuf_iterator<char>(maps), {}};
  return text.find("/coprotect.so") != std::string::npos;
}

class ProviderProgram : public JointKey {
 protected:
  void SetUp() override {
    JointKey::SetUp();
    if (HasFailure()) return;
    setenv("COPROTECT_CONFIG", alice().c_str(), 1);
    setenv("COPROTECT_KEYD", System::program("coprotect-keyd").c_str(), 1);
  }
  EvpKey new_peer(const EvpLibrary& library) const {
    return is_p256() ? library.new_key("EC", "P-256") : library.new_key("DH", GetParam());
  }
  // Whether both sides get the same secret.
  bool agree(const EvpLibrary& library, const OSSL_PARAM* params = nullptr) const {
    const EvpKey ours = library.key(kKey);
    const EvpKey public_half = library.key(kKey, OSSL_STORE_INFO_PUBKEY);
    const EvpKey peer = new_peer(library);
    if (ours == nullptr || public_half == nullptr || peer == nullptr) return false;
    const Bytes secret = library.derive(ours.get(), peer.get(), params);
    return !secret.empty() && secret == library.derive(peer.get(), public_half.get(), params);
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, ProviderProgram, testing::Values("p256", "ffdhe3072"),
                         [](const auto& tested) { return tested.param; });

const std::vector<std::vector<std::string>> kOrders = {{"coprotect", "default", "legacy"},
                                                       {"default", "legacy", "coprotect"}};

TEST_P(ProviderProgram, AgreesWithOpenSslsOwnKeys) {
  for (const auto& order : kOrders) {
    const EvpLibrary library(order);
    EXPECT_TRUE(agree(library)) << errors();
    unsigned int pad = 1;
    const OSSL_PARAM padded[] = {OSSL_PARAM_construct_uint(OSSL_EXCHANGE_PARAM_PAD, &pad),
                                 OSSL_PARAM_construct_end()};
    EXPECT_TRUE(agree(library, is_p256() ? nullptr : padded)) << errors();
  }
}

TEST_P(ProviderProgram, AgreesThroughAKdf) {
  const EvpLibrary library({"coprotect", "default"});
  char type[] = OSSL_KDF_NAME_X963KDF;
  char ukm[] = "both know this";
  for (const std::string digest : {"SHA1", "SHA2-256", "sha384", "SHA512", "MD5"}) {
    std::size_t size = 77;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, type, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, const_cast<char*>(digest.c_str()),
                                         0),
        OSSL_PARAM_construct_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, &size),
        OSSL_PARAM_construct_octet_string(OSSL_EXCHANGE_PARAM_KDF_UKM, ukm, sizeof ukm - 1),
        OSSL_PARAM_construct_end()};
    EXPECT_EQ(agree(library, params), is_p256() && digest != "MD5") << digest << errors();
  }
  EXPECT_NE(errors(), "");
}

TEST_P(ProviderProgram, SaysHowMuchRoomASecretNeeds) {
  const EvpLibrary library({"coprotect", "default"});
  const EvpKey key = library.key(kKey);
  const EvpKey peer = new_peer(library);
  const EvpContext context(EVP_PKEY_CTX_new_from_pkey(library.get(), key.get(), nullptr));
  ASSERT_EQ(EVP_PKEY_derive_init(context.get()), 1) << errors();
  ASSERT_EQ(EVP_PKEY_derive_set_peer(context.get(), peer.get()), 1) << errors();
  std::size_t size = 0;
  ASSERT_EQ(EVP_PKEY_derive(context.get(), nullptr, &size), 1);
  EXPECT_EQ(size, is_p256() ? 32u : 384u);
  EXPECT_EQ(EVP_PKEY_get_size(key.get()), static_cast<int>(size));
  EXPECT_EQ(EVP_PKEY_get_bits(key.get()), static_cast<int>(size * 8));
  EXPECT_EQ(EVP_PKEY_get_security_bits(key.get()), 128);
  Bytes secret(size);
  --size;
  EXPECT_NE(EVP_PKEY_derive(context.get(), secret.data(), &size), 1);
  EXPECT_NE(errors().find("no room for the secret"), std::string::npos);
}

TEST_P(ProviderProgram, RefusesAPeerOfAnotherGroup) {
  const EvpLibrary library({"coprotect", "default"});
  const EvpKey key = library.key(kKey);
  const EvpKey other = is_p256() ? library.new_key("EC", "P-384") : library.new_key("DH", "ffdhe2048");
  ASSERT_NE(other, nullptr);
  EXPECT_TRUE(library.derive(key.get(), other.get()).empty());
  EXPECT_NE(errors().find("group"), std::string::npos);
}

TEST_P(ProviderProgram, ExportsThePublicHalfAlone) {
  const EvpLibrary library({"default", "coprotect"});
  const EvpKey key = library.key(kKey);
  OSSL_PARAM* params = nullptr;
  EXPECT_NE(EVP_PKEY_todata(key.get(), EVP_PKEY_KEYPAIR, &params), 1);
  EXPECT_NE(errors().find("cannot be exported"), std::string::npos);
  ASSERT_EQ(EVP_PKEY_todata(key.get(), EVP_PKEY_PUBLIC_KEY, &params), 1) << errors();
  EXPECT_EQ(OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PRIV_KEY), nullptr);
  OSSL_PARAM_free(params);
  const Owned<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  EXPECT_NE(PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  errors();
  const EvpKey copy(EVP_PKEY_dup(key.get()));
  EXPECT_EQ(EVP_PKEY_eq(copy.get(), key.get()), 1);
  EXPECT_EQ(EVP_PKEY_eq(new_peer(library).get(), key.get()), 0);
  // As CMS and TLS look for the key of a certificate.
  const X509Certificate certificate = library.certificate(kKey);
  ASSERT_NE(certificate, nullptr) << errors();
  EXPECT_EQ(X509_check_private_key(certificate.get(), key.get()), 1) << errors();
}

TEST_P(ProviderProgram, LeavesOtherKeysToOtherProviders) {
  for (const auto& order : kOrders) {
    const EvpLibrary library(order);
    for (int i = 0; i < 2; ++i) {  // before and after the first key of ours
      const Owned<EVP_KEYMGMT, EVP_KEYMGMT_free> management(EVP_KEYMGMT_fetch(library.get(), "EC", nullptr));
      ASSERT_NE(management, nullptr);
      EXPECT_STREQ(OSSL_PROVIDER_get0_name(EVP_KEYMGMT_get0_provider(management.get())), "default");
      const EvpKey one = library.new_key("EC", "P-384");
      const EvpKey other = library.new_key("EC", "P-384");
      ASSERT_NE(one, nullptr) << errors();
      EXPECT_EQ(library.derive(one.get(), other.get()).size(), 48u) << errors();
      EXPECT_EQ(library.derive(one.get(), other.get()), library.derive(other.get(), one.get()));
      const Owned<EVP_MD, EVP_MD_free> legacy(EVP_MD_fetch(library.get(), "MD4", nullptr));
      EXPECT_NE(legacy, nullptr) << errors();
      EXPECT_TRUE(agree(library)) << errors();
    }
  }
}

// The very first thing that a library context is asked for is a key of ours.
TEST_P(ProviderProgram, LeavesThemAlsoIfItComesFirst) {
  const EvpLibrary library({"coprotect", "default"});
  const EvpKey key = library.key(kKey);
  ASSERT_NE(key, nullptr) << errors();
  EXPECT_EQ(errors(), "");
  EXPECT_NE(library.new_key("EC", "P-521"), nullptr) << errors();
}

TEST_P(ProviderProgram, CostsNothingUntilItIsUsed) {
  setenv("COPROTECT_KEYD", "/nonexistent/coprotect-keyd", 1);
  const EvpLibrary library({"coprotect", "default"});
  const EvpKey peer = new_peer(library);
  EXPECT_FALSE(library.derive(peer.get(), peer.get()).empty()) << errors();
  EXPECT_EQ(library.key(kKey), nullptr);
  EXPECT_NE(errors().find("/nonexistent/coprotect-keyd"), std::string::npos);
  setenv("COPROTECT_KEYD", System::program("coprotect-keyd").c_str(), 1);
  EXPECT_TRUE(agree(library)) << errors();
}

TEST_P(ProviderProgram, IsUnloadedWithItsLibraryContext) {
  for (int i = 0; i < 3; ++i) {
    {
      const EvpLibrary library({"coprotect", "default"});
      EXPECT_TRUE(is_mapped());
      EXPECT_TRUE(agree(library)) << errors();
    }
    EXPECT_FALSE(is_mapped());
  }
}

TEST_P(ProviderProgram, ServesManyThreadsAndLibraries) {
  const EvpLibrary one({"coprotect", "default"});
  const EvpLibrary other({"default", "coprotect"});
  std::atomic<int> agreed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        for (int j = 0; j < 3; ++j) agreed += agree(i % 2 == 0 ? one : other) ? 1 : 0;
      });
  }
  EXPECT_EQ(agreed, 24);
}

TEST_P(ProviderProgram, WorksOnAfterAFork) {
  make_peer("bob");
  const std::string secret = to_hex(bytes_of(secret_of_peer("bob"))) + "\n";
  const Finished run = with_key(COPROTECT_EVP_PROGRAM)
                           .env("OPENSSL_MODULES=" COPROTECT_PROVIDER_DIR)
                           .args({kKey, work() / "bob.pub"})
                           .run();
  EXPECT_EQ(done(run), secret + secret + secret);
}

TEST_P(ProviderProgram, SaysWhyThereIsNoSecret) {
  const EvpLibrary library({"coprotect", "default"});
  const EvpKey key = library.key(kKey);
  const EvpKey peer = new_peer(library);
  system().company().stop();
  EXPECT_TRUE(library.derive(key.get(), peer.get()).empty());
  std::string said = errors();
  EXPECT_NE(said.find("too few agents answer: "), std::string::npos) << said;
  EXPECT_NE(said.find("company"), std::string::npos) << said;
  ASSERT_TRUE(system().company().start());
  EXPECT_FALSE(library.derive(key.get(), peer.get()).empty()) << errors();
  ASSERT_EQ(remove_alice().exit_code, 0);
  EXPECT_TRUE(library.derive(key.get(), peer.get()).empty());
  said = errors();
  EXPECT_NE(said.find("refused by an agent: "), std::string::npos) << said;
}

// --- keys of purpose envelope

struct Opened {
  Bytes encapsulation;
  Bytes secret;
};

Opened encapsulate(const EvpLibrary& library, EVP_PKEY* key) {
  const EvpContext context(EVP_PKEY_CTX_new_from_pkey(library.get(), key, nullptr));
  std::size_t size = 0;
  std::size_t secret_size = 0;
  if (EVP_PKEY_encapsulate_init(context.get(), nullptr) != 1 ||
      EVP_PKEY_encapsulate(context.get(), nullptr, &size, nullptr, &secret_size) != 1)
    return {};
  Opened made{.encapsulation = Bytes(size), .secret = Bytes(secret_size)};
  if (EVP_PKEY_encapsulate(context.get(), made.encapsulation.data(), &size, made.secret.data(),
                           &secret_size) != 1)
    return {};
  return made;
}

Bytes decapsulate(const EvpLibrary& library, EVP_PKEY* key, ByteView encapsulation) {
  const EvpContext context(EVP_PKEY_CTX_new_from_pkey(library.get(), key, nullptr));
  std::size_t size = 0;
  if (EVP_PKEY_decapsulate_init(context.get(), nullptr) != 1 ||
      EVP_PKEY_decapsulate(context.get(), nullptr, &size, encapsulation.data(), encapsulation.size()) != 1)
    return {};
  Bytes secret(size);
  if (EVP_PKEY_decapsulate(context.get(), secret.data(), &size, encapsulation.data(), encapsulation.size()) !=
      1)
    return {};
  return secret;
}

TEST_P(ProviderProgram, EncapsulatesAloneAndDecapsulatesWithBothAgents) {
  const EvpLibrary library({"coprotect", "default"});
  const EvpKey key = library.key(kFileKey);
  const EvpKey public_half = library.key(kFileKey, OSSL_STORE_INFO_PUBKEY);
  ASSERT_NE(key, nullptr) << errors();
  ASSERT_NE(public_half, nullptr) << errors();
  system().cloud().stop();
  system().company().stop();
  const Opened made = encapsulate(library, public_half.get());
  ASSERT_EQ(made.secret.size(), 32u) << errors();
  EXPECT_NE(encapsulate(library, key.get()).secret, made.secret);
  EXPECT_TRUE(decapsulate(library, key.get(), made.encapsulation).empty());
  EXPECT_NE(errors().find("too few agents answer"), std::string::npos);
  ASSERT_TRUE(system().cloud().start());
  ASSERT_TRUE(system().company().start());

  const std::size_t before = recorded("cloud", "intent");
  EXPECT_EQ(decapsulate(library, key.get(), made.encapsulation), made.secret) << errors();
  for (const char* const party : {"cloud", "company"})
    EXPECT_EQ(recorded(party, "intent"), before + 1) << party;
  EXPECT_TRUE(decapsulate(library, public_half.get(), made.encapsulation).empty());
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{5}, std::size_t{20}, made.encapsulation.size() - 1}) {
    Bytes changed = made.encapsulation;
    changed[at] ^= 1;
    EXPECT_TRUE(decapsulate(library, key.get(), changed).empty()) << at;
  }
  EXPECT_NE(errors(), "");
  ASSERT_EQ(remove_alice().exit_code, 0);
  EXPECT_TRUE(decapsulate(library, key.get(), made.encapsulation).empty());
  EXPECT_NE(errors().find("refused by an agent"), std::string::npos);
}

TEST_P(ProviderProgram, DerivesNothingWithAKeyForFiles) {
  const EvpLibrary library({"coprotect", "default"});
  const EvpKey key = library.key(kFileKey);
  const EvpKey peer = new_peer(library);
  EXPECT_TRUE(library.derive(key.get(), peer.get()).empty());
  EXPECT_TRUE(encapsulate(library, library.key(kKey).get()).secret.empty());
}

}  // namespace
}  // namespace coprotect::harness
