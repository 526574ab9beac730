#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/custodian/testing/test_ceremony.h"
#include "protocol/base/test_must.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/dkg/test_lying_dealer.h"
#include "swtpm-tests/harness/soft_tpm.h"

// The recovery blob of a new key: whose it is, and that there is one.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::CeremonyState;
using protocol::SuiteId;
using protocol::test::LyingDealer;
using testing::kHourMs;
using testing::Tool;

TEST_P(Ceremony, OneRecoveryBlobForAKey) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  pair.tool.store_blob();
  EXPECT_EQ(code_of(pair.tool.post(0, Route::store_blob, pair.tool.blob_message(0))),
            "ok");  // the same again
  auto message = must(protocol::StoreBlobMessage::parse(pair.tool.blob_message(0)));
  message.blob.back() ^= 1;
  EXPECT_EQ(code_of(pair.tool.post(0, Route::store_blob, message.encode())),
            "bad-proof");  // not what the tool signed
  message.blob.back() ^= 1;
  message.sid[0] ^= 1;
  EXPECT_EQ(code_of(pair.tool.post(0, Route::store_blob, message.encode())), "malformed");

  // One that is of this key, and that the recovery party vouches for: a second one all the same.
  const auto binding = must(protocol::RecoveryBlob::parse(pair.tool.blob())).binding();
  const auto other = must(protocol::RecoveryBlob::seal_with({64, 1, 1}, {}, {}, Secret(28), binding.key_id,
                                                            binding.suite, pair.tool.recovery_key()))
                         .first.encoded();
  const auto refused = pair.tool.post(0, Route::store_blob, pair.tool.message_of_blob(other));
  EXPECT_EQ(code_of(refused), "conflict");
  EXPECT_EQ(refused ? "ok" : refused.error().message(), "another recovery blob is stored");
}

// The tool's message of round 5 is the recovery party's, and its signature holds.
TEST_P(Ceremony, ARecoveryBlobIsVouchedForByTheRecoveryParty) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  pair.tool.store_blob();
  const auto stored = [&](const Bytes& tool_message) {
    auto message = must(protocol::StoreBlobMessage::parse(pair.tool.blob_message(0)));
    message.tool_message = tool_message;
    return code_of(pair.tool.post(0, Route::store_blob, message.encode()));
  };
  const Digest hash = protocol::sha256(pair.tool.blob());
  const auto said_by = [&](std::uint8_t sender, const protocol::SigningKey& key) {
    return protocol::CeremonyMessage::sign(protocol::Round::stored, pair.tool.sid(), sender,
                                           Bytes(hash.begin(), hash.end()), key)
        .encode();
  };
  const auto company = pair.company.stolen_identity();
  EXPECT_EQ(stored(said_by(2, company)), "unauthenticated");  // in the recovery party's name
  EXPECT_EQ(stored(said_by(1, company)), "bad-proof");        // in its own
  EXPECT_EQ(stored(said_by(2, pair.tool.identity())), "ok");
}

TEST_P(Ceremony, ARecoveryBlobIsOfItsCeremony) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  pair.tool.store_blob();
  auto message = must(protocol::StoreBlobMessage::parse(pair.tool.blob_message(0)));
  message.sid[0] ^= 1;
  const auto refused = pair.tool.post(0, Route::store_blob, message.encode());
  EXPECT_EQ(code_of(refused), "malformed");
  EXPECT_EQ(refused ? "ok" : refused.error().message(), "the recovery blob is of another ceremony");
}

TEST_P(Ceremony, ARecoveryBlobIsOfItsKey) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  pair.tool.store_blob();
  const auto binding = must(protocol::RecoveryBlob::parse(pair.tool.blob())).binding();
  const auto stored = [&](const protocol::KeyId& key_id, SuiteId suite, const protocol::HpkePrivateKey& key) {
    const Secret code = Secret::copy_of(bytes_of("0123456789ABCDEFGHJKMNPQRSTV"));
    auto blob = protocol::RecoveryBlob::seal_with({64, 1, 1}, {}, {}, code, key_id, suite, key);
    return code_of(pair.tool.post(0, Route::store_blob,
                                  pair.tool.message_of_blob(must(std::move(blob)).first.encoded())));
  };
  const auto other_suite = binding.suite == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256;
  const auto other_key = protocol::HpkePrivateKey::generate(system_random());
  EXPECT_EQ(stored({1}, binding.suite, pair.tool.recovery_key()), "malformed");
  EXPECT_EQ(stored(binding.key_id, other_suite, pair.tool.recovery_key()), "malformed");
  EXPECT_EQ(stored(binding.key_id, binding.suite, other_key), "malformed");
  pair.tool.sign();
  pair.tool.activate();
}

}  // namespace
}  // namespace coprotect::agent::custodian
