#include "client/keyclient/message.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace coprotect::keyclient {
namespace {

KeyId key_id(std::uint8_t fill) {
  KeyId id;
  id.fill(fill);
  return id;
}

Key some_key(Suite suite) {
  const bool point = suite == Suite::p256;
  Key key{.name = "archive",
          .key_id = key_id(7),
          .suite = suite,
          .purpose = Purpose::derive,
          .login_needed = true,
          .patience = std::chrono::milliseconds(30'000),
          .public_key = Bytes(point ? 65 : shared_secret_size(suite), 4),
          .prime = Bytes(point ? 0 : shared_secret_size(suite), 0xff)};
  return key;
}

TEST(KeyMessages, CarryADerivation) {
  const Bytes peer(65, 4);
  const Bytes info = {1, 2, 3};
  const Request request{
      .operation = Operation::derive,
      .derivation = {.key_id = key_id(9), .peer = peer, .kdf = Kdf::sha256, .shared_info = info, .size = 48}};
  const Bytes encoded = request.encode_head();
  const auto parsed = Request::parse(encoded);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->operation, Operation::derive);
  EXPECT_EQ(parsed->derivation.key_id, key_id(9));
  EXPECT_TRUE(std::ranges::equal(parsed->derivation.peer, peer));
  EXPECT_EQ(parsed->derivation.kdf, Kdf::sha256);
  EXPECT_TRUE(std::ranges::equal(parsed->derivation.shared_info, info));
  EXPECT_EQ(parsed->derivation.size, 48);
}

TEST(KeyMessages, CarryEncapsulations) {
  const Bytes encapsulation(285, 5);
  Request request{.operation = Operation::decapsulate, .encapsulation = encapsulation};
  request.derivation.key_id = key_id(9);
  const Bytes encoded = request.encode_head();
  const auto parsed = Request::parse(encoded);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->derivation.key_id, key_id(9));
  EXPECT_TRUE(std::ranges::equal(parsed->encapsulation, encapsulation));
  for (const Bytes& wrong : {Bytes(), Bytes(kMaxEncapsulation + 1)}) {
    request.encapsulation = wrong;
    EXPECT_FALSE(Request::parse(request.encode_head()));
  }

  const Bytes secret(kEncapsulatedSecretSize, 6);
  Bytes reply = encode_encapsulation_head(encapsulation);
  reply.insert(reply.end(), secret.begin(), secret.end());
  const auto made = parse_encapsulation(reply);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->bytes, encapsulation);
  EXPECT_TRUE(std::ranges::equal(made->secret.reveal(), secret));
  for (std::size_t size = 0; size < reply.size(); ++size)
    EXPECT_FALSE(parse_encapsulation(ByteView(reply).first(size))) << size;
  reply.push_back(0);
  EXPECT_FALSE(parse_encapsulation(reply));
}

TEST(KeyMessages, CarryAPassphraseBehindTheHead) {
  Bytes encoded = Request{.operation = Operation::login}.encode_head();
  const std::string passphrase = "open sesame";
  encoded.insert(encoded.end(), passphrase.begin(), passphrase.end());
  const auto parsed = Request::parse(encoded);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(text_of(parsed->passphrase), passphrase);
  encoded.resize(encoded.size() + kMaxPassphrase);
  EXPECT_FALSE(Request::parse(encoded));
}

TEST(KeyMessages, RefuseRequestsThatAreNotExact) {
  const Bytes peer(65, 4);
  const Request derive{.operation = Operation::derive,
                       .derivation = {.key_id = key_id(9), .peer = peer, .shared_info = {}, .size = 32}};
  const Request certificate{.operation = Operation::certificate};
  const Request encapsulate{.operation = Operation::encapsulate};
  const Request decapsulate{.operation = Operation::decapsulate, .encapsulation = peer};
  for (const Request& request :
       {derive, certificate, encapsulate, decapsulate, Request{.operation = Operation::list}}) {
    const Bytes good = request.encode_head();
    ASSERT_TRUE(Request::parse(good));
    for (std::size_t size = 0; size < good.size(); ++size)
      EXPECT_FALSE(Request::parse(ByteView(good).first(size))) << size;
    Bytes longer = good;
    longer.push_back(0);
    EXPECT_FALSE(Request::parse(longer));
    for (const std::size_t at : {0u, 4u, 5u}) {  // magic, version, operation
      Bytes other = good;
      other[at] = 0xee;
      EXPECT_FALSE(Request::parse(other)) << at;
    }
  }
}

TEST(KeyMessages, RefuseDerivationsThatMakeNoSense) {
  const Bytes peer(65, 4);
  const Bytes info = {1};
  const Bytes long_peer(kMaxPeer + 1, 1);
  const Bytes long_info(kMaxSharedInfo + 1, 1);
  const auto parses = [](const Derivation& derivation) {
    return static_cast<bool>(
        Request::parse(Request{.operation = Operation::derive, .derivation = derivation}.encode_head()));
  };
  EXPECT_TRUE(parses({.key_id = {}, .peer = peer, .kdf = Kdf::sha1, .shared_info = info, .size = 1}));
  EXPECT_FALSE(parses({.key_id = {}, .peer = peer, .kdf = Kdf::none, .shared_info = info, .size = 1}));
  EXPECT_FALSE(parses({.key_id = {}, .peer = {}, .kdf = Kdf::sha1, .shared_info = info, .size = 1}));
  EXPECT_FALSE(parses({.key_id = {}, .peer = peer, .kdf = Kdf::sha1, .shared_info = info, .size = 0}));
  EXPECT_FALSE(parses({.key_id = {}, .peer = peer, .kdf = Kdf::sha1, .shared_info = info, .size = 4097}));
  EXPECT_FALSE(parses({.key_id = {}, .peer = long_peer, .kdf = Kdf::sha1, .shared_info = info, .size = 1}));
  EXPECT_FALSE(parses({.key_id = {}, .peer = peer, .kdf = Kdf::sha1, .shared_info = long_info, .size = 1}));
  EXPECT_FALSE(
      parses({.key_id = {}, .peer = peer, .kdf = static_cast<Kdf>(5), .shared_info = info, .size = 1}));
}

TEST(KeyMessages, CarryKeysOfEverySuite) {
  std::vector<Key> keys;
  for (const Suite suite : {Suite::p256, Suite::ffdhe2048, Suite::ffdhe3072, Suite::ffdhe4096})
    keys.push_back(some_key(suite));
  const Bytes encoded = encode_keys(keys);
  const auto parsed = parse_keys(encoded);
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ((*parsed)[i].name, keys[i].name);
    EXPECT_EQ((*parsed)[i].suite, keys[i].suite);
    EXPECT_EQ((*parsed)[i].patience, keys[i].patience);
    EXPECT_EQ((*parsed)[i].public_key, keys[i].public_key);
    EXPECT_EQ((*parsed)[i].prime, keys[i].prime);
    EXPECT_TRUE((*parsed)[i].login_needed);
  }
  for (std::size_t size = 0; size < encoded.size(); ++size)
    EXPECT_FALSE(parse_keys(ByteView(encoded).first(size))) << size;
}

TEST(KeyMessages, FitTheChannelWhateverIsConfigured) {
  const std::vector<Key> most(kMaxKeys, some_key(Suite::ffdhe4096));
  EXPECT_LE(encode_keys(most).size(), kMaxReply);
}

TEST(KeyMessages, RefuseKeysWhoseSizesAreNotTheirSuites) {
  const auto parses = [](Key key) { return static_cast<bool>(parse_keys(encode_keys({std::move(key)}))); };
  const auto broken = [](Suite suite, auto change) {
    Key key = some_key(suite);
    change(key);
    return key;
  };
  EXPECT_TRUE(parses(some_key(Suite::p256)));
  EXPECT_FALSE(parses(broken(Suite::p256, [](Key& k) { k.public_key.pop_back(); })));
  EXPECT_FALSE(parses(broken(Suite::p256, [](Key& k) { k.public_key[0] = 2; })));
  EXPECT_FALSE(parses(broken(Suite::p256, [](Key& k) { k.prime = {1}; })));
  EXPECT_FALSE(parses(broken(Suite::ffdhe3072, [](Key& k) { k.public_key.pop_back(); })));
  EXPECT_FALSE(parses(broken(Suite::ffdhe3072, [](Key& k) { k.prime.push_back(1); })));
  EXPECT_FALSE(parses(broken(Suite::p256, [](Key& k) { k.name.clear(); })));
  EXPECT_FALSE(parses(broken(Suite::p256, [](Key& k) { k.name = "\xff"; })));
  EXPECT_FALSE(parses(broken(Suite::p256, [](Key& k) { k.purpose = static_cast<Purpose>(3); })));
}

TEST(KeyMessages, CarryAFailureAsOneLine) {
  const Bytes encoded = encode_failure(Error(Code::denied, "no\nnot you\x1b[31m"));
  for (const Status& status :
       {parse_done(encoded), Status(parse_keys(encoded).error()), Status(parse_certificate(encoded).error()),
        Status(parse_secret(encoded, 5).error())}) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), Code::denied);
    EXPECT_EQ(status.error().message(), "no?not you?[31m");
  }
  EXPECT_EQ(parse_done(encode_failure(Error(Code::bad_proof, "x"))).error().code(), Code::internal);
  EXPECT_EQ(parse_done(encode_failure(Error(Code::denied, std::string(9'000, 'x')))).error().message().size(),
            kMaxReason);
}

TEST(KeyMessages, GiveASecretOfTheSizeThatWasAskedFor) {
  Bytes reply = encode_done();
  reply.insert(reply.end(), 32, 0xaa);
  const auto secret = parse_secret(reply, 32);
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->size(), 32u);
  EXPECT_FALSE(parse_secret(reply, 31));
  EXPECT_FALSE(parse_secret(reply, 33));
  EXPECT_FALSE(parse_done(reply));
}

TEST(KeyMessages, HaveAWholeCertificateOrNone) {
  EXPECT_TRUE(parse_certificate(encode_certificate({})));
  EXPECT_TRUE(
      parse_certificate(encode_certificate({.der = {1}, .subject = {2}, .issuer = {3}, .serial = {4}})));
  EXPECT_FALSE(
      parse_certificate(encode_certificate({.der = {1}, .subject = {}, .issuer = {3}, .serial = {4}})));
}

}  // namespace
}  // namespace coprotect::keyclient
