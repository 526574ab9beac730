#pragma once

#include "protocol/crypto/hash.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/message/request.h"

namespace coprotect::protocol::test {

// A client, a key whose logarithm no test needs, and the client's requests about that key.
class TestClient {
 public:
  explicit TestClient(SuiteId id) : suite(id) {}

  PartialItem item(ByteView policy = {}) const {
    Core core{.suite = suite, .file_nonce = {}, .policy = Bytes(policy.begin(), policy.end())};
    system_random().fill(core.file_nonce);
    const Bytes encoded = core.encode();
    const Group& group = group_of(suite);
    const Digest label = stanza_label(sha256(encoded), kStanzaTdh2, kKeyId);
    const Ciphertext ciphertext =
        encrypt(public_key, group.random_message(system_random()), label, system_random());
    return {.core = encoded, .stanza_type = kStanzaTdh2, .capsule = ciphertext.capsule()};
  }
  Request request(std::vector<PartialItem> items) const {
    return {.tenant = "acme",
            .key_id = kKeyId,
            .epoch = 0,
            .audience = {ca_key.public_key().bytes(), key.public_key().bytes()},
            .action = Action::view,
            .reason = "monthly report",
            .nonce = {7},
            .time_ms = kNow,
            .reply_key = reply_key.public_key(),
            .body = PartialDecryptBody{std::move(items)}};
  }
  Request request() const {
    std::vector<PartialItem> items;
    items.push_back(item());
    return request(std::move(items));
  }
  Bytes sign(const Request& request) const { return SignedRequest::sign(request, {certificate}, key); }

  static constexpr KeyId kKeyId{1, 2, 3};
  SuiteId suite;
  PublicKey public_key = must(PublicKey::make(group_of(suite).random_message(system_random())));
  SigningKey ca_key = SigningKey::generate(system_random());
  Certificate ca = make_authority("acme client CA", ca_key);
  SigningKey key = SigningKey::generate(system_random());
  Certificate certificate =
      make_certificate("alice", CertificateUse::client, key, &ca, ca_key, {"coprotect:acme:user:alice"});
  HpkePrivateKey reply_key = HpkePrivateKey::generate(system_random());
};

}  // namespace coprotect::protocol::test
