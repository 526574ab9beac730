// The oracle's output (oracle.vec), parsed and checked by our code.

#include <gtest/gtest.h>

#include "protocol/base/reader.h"
#include "protocol/base/test_must.h"
#include "protocol/base/writer.h"
#include "protocol/bundle/bundle.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/recovery_parts.h"
#include "protocol/file/body.h"
#include "protocol/file/encapsulation.h"
#include "protocol/handover/offer.h"
#include "protocol/handover/statements.h"
#include "protocol/recovery/code.h"
#include "protocol/recovery/kit.h"
#include "protocol/recovery/recovery_part.h"
#include "protocol/testdata/oracle_read.h"

namespace coprotect::protocol {
namespace {

void check_tdh2(const Block& block) {
  const Group& group = group_of_block(block);
  const PublicKey key = *PublicKey::make(element_of(group, block, "H"));
  const Ciphertext ciphertext{.c1 = element_of(group, block, "C1"),
                              .u_bar = element_of(group, block, "UBar"),
                              .c2 = element_of(group, block, "C2"),
                              .e = digest_of(block, "E"),
                              .f = scalar_of(group, block, "F")};
  EXPECT_TRUE(verify(key, ciphertext.capsule(), digest_of(block, "Label")));

  const auto epoch = static_cast<std::uint32_t>(block.number("Epoch"));
  std::vector<IndexedPartial> partials;
  for (std::uint8_t i = 1; i <= 3; ++i) {
    const std::string n = std::to_string(i);
    const Scalar share = scalar_of(group, block, "Share" + n);
    const Element value = element_of(group, block, "K" + n);
    EXPECT_TRUE(group.power_secret(ciphertext.c1, share) == value);
    const Digest context =
        partial_context(group.suite(), digest_of(block, "KeyId"), epoch, i, digest_of(block, "RequestHash"));
    const PartialSet set{.values = {value}, .proof = proof_of(group, block, "Proof" + n)};
    EXPECT_TRUE(
        verify_partials(group.generator_power_secret(share), std::span(&ciphertext.c1, 1), set, context))
        << block.where() << " index " << n;
    partials.push_back({i, value});
  }
  const Element m = element_of(group, block, "M");
  for (const auto& [a, b] : {std::pair{0, 1}, {0, 2}, {1, 2}}) {
    const std::vector<IndexedPartial> quorum = {partials[static_cast<std::size_t>(a)],
                                                partials[static_cast<std::size_t>(b)]};
    EXPECT_TRUE(*combine(ciphertext.c2, quorum) == m) << block.where();
  }
}

void check_batch(const Block& block) {
  const Group& group = group_of_block(block);
  const Scalar share = scalar_of(group, block, "Share");
  const Digest context = partial_context(
      group.suite(), digest_of(block, "KeyId"), static_cast<std::uint32_t>(block.number("Epoch")),
      static_cast<std::uint8_t>(block.number("Index")), digest_of(block, "RequestHash"));
  const PartialSet set{.values = elements_of(group, block, "Values"),
                       .proof = proof_of(group, block, "Proof")};
  EXPECT_TRUE(
      verify_partials(group.generator_power_secret(share), elements_of(group, block, "Bases"), set, context))
      << block.where();
}

void check_encapsulation(const Block& block) {
  const Group& group = group_of_block(block);
  const Digest key_id = digest_of(block, "KeyId");
  const auto header = parse_encapsulation(block.hex("Encapsulation"), key_id);
  ASSERT_TRUE(header) << header.error().message();
  const PublicKey key = *PublicKey::make(element_of(group, block, "H"));
  EXPECT_TRUE(verify(key, header->stanzas().front().ciphertext.capsule(),
                     stanza_label(header->core_hash(), kStanzaTdh2, key_id)));
  const auto file_key = header->unlock(element_of(group, block, "M"));
  ASSERT_TRUE(file_key) << file_key.error().message();
  EXPECT_EQ(to_hex(encapsulated_secret(*file_key).reveal()), to_hex(block.hex("Secret")));
}

void check_file(const Block& block) {
  const Group& group = group_of_block(block);
  const Bytes file = block.hex("File");
  const auto header = Header::parse(file);
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(header->core().policy, block.hex("Policy"));
  const Digest key_id = digest_of(block, "KeyId");
  const auto stanza = header->stanza_for(key_id);
  ASSERT_TRUE(stanza);
  const PublicKey key = *PublicKey::make(element_of(group, block, "H"));
  EXPECT_TRUE(
      verify(key, (*stanza)->ciphertext.capsule(), stanza_label(header->core_hash(), kStanzaTdh2, key_id)));
  const auto file_key = header->unlock(element_of(group, block, "M"));
  ASSERT_TRUE(file_key) << file_key.error().message();
  EXPECT_EQ(to_hex(file_key->reveal()), to_hex(block.hex("FileKey")));

  const ByteView body = ByteView(file).subspan(header->encoded().size());
  const auto body_key = BodyKey::open(*file_key, header->core_hash(), body.first(kBodyPrefixSize));
  ASSERT_TRUE(body_key);
  const auto size = plaintext_size(body.size());
  ASSERT_TRUE(size);
  EXPECT_EQ(*size, block.number("PlaintextSize"));
  ChunkCipher cipher(*body_key, ChunkCipher::Direction::open);
  Bytes plaintext(*size);
  for (std::uint64_t i = 0; i * kChunkSize <= *size; ++i) {
    const std::size_t n = std::min<std::size_t>(kChunkSize, plaintext.size() - i * kChunkSize);
    EXPECT_TRUE(cipher.open(i, body.subspan(kBodyPrefixSize + i * kSealedChunkSize, n + 16),
                            std::span(plaintext).subspan(i * kChunkSize, n)));
  }
  for (std::size_t i = 0; i < plaintext.size(); ++i) ASSERT_EQ(plaintext[i], i % 251);
}

void check_recovery(const Block& block) {
  const auto code = read_code(bytes_of(block.text("Code")));
  ASSERT_TRUE(code) << code.error().message();
  const auto blob = RecoveryBlob::parse(block.hex("Blob"));
  EXPECT_EQ(suite_name(blob->binding().suite), block.text("Suite"));
  ASSERT_TRUE(blob) << blob.error().message();
  EXPECT_EQ(blob->binding().key_id, digest_of(block, "KeyId"));
  const auto opened = blob->open(*code);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(to_hex(opened->hpke.scalar().reveal()), block.text("HpkeScalar"));
  const auto kit = RecoveryKit::parse(block.hex("Kit"));
  ASSERT_TRUE(kit) << kit.error().message();
  const auto key = kit->open_key(opened->recovery_key);
  ASSERT_TRUE(key) << key.error().message();
  EXPECT_EQ(to_hex(key->scalar().reveal()), block.text("KitKey"));
  const auto client_ca = kit->open_client_ca(opened->recovery_key);
  EXPECT_EQ(client_ca ? to_hex(client_ca->scalar().reveal()) : "", block.text("KitClientCa"));
}

void check_recovery_part(const Block& block) {
  const Group& group = group_of_block(block);
  const auto recovery = HpkePrivateKey::from_scalar(block.hex("RecoveryScalar"));
  ASSERT_TRUE(recovery);
  const RecoveryStatement statement{.sid = digest_of(block, "Sid"),
                                    .dealer = static_cast<std::uint8_t>(block.number("Dealer")),
                                    .index = static_cast<std::uint8_t>(block.number("Index")),
                                    .recovery_key = recovery->public_key(),
                                    .commitments = elements_of(group, block, "Commitments")};
  const auto part = RecoveryPart::parse(group, block.hex("Part"));
  ASSERT_TRUE(part) << part.error().message();
  EXPECT_TRUE(part->check(statement, system_random()));
  const auto value = part->open(statement, *recovery);
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_TRUE(*value == scalar_of(group, block, "Value"));
}

void check_dkg(const Block& block) {
  const Group& group = group_of_block(block);
  const auto bundle = Bundle::parse(block.hex("Bundle"));
  ASSERT_TRUE(bundle) << bundle.error().message();
  EXPECT_EQ(bundle->key_id(), digest_of(block, "KeyId"));
  EXPECT_EQ(bundle->parameters().sid(), digest_of(block, "Sid"));
  EXPECT_TRUE(bundle->public_key().h() == element_of(group, block, "H"));
  for (std::uint8_t j = 1; j <= 3; ++j) {
    const Scalar share = scalar_of(group, block, "Share" + std::to_string(j));
    EXPECT_TRUE(group.generator_power_secret(share) == bundle->public_share(j));
  }
  const Bytes deals = block.hex("Deal0");
  Reader reader(deals);
  EXPECT_EQ(reader.u8(), 2);  // indices 2 and 3
  EXPECT_EQ(reader.u8(), 2);  // index 2 comes first: the dealer holds 1
  const auto holder = HpkePrivateKey::from_scalar(block.hex("CeremonyKey1"));
  Writer info;
  info.literal("CPV1-DEAL").bytes(bundle->parameters().sid());
  Writer aad;
  aad.u8(0).u8(2).bytes(bundle->parameters()->parties[1].identity_key.bytes());
  const auto dealt = holder->open(*reader.lp(), info.view(), aad.view());
  ASSERT_TRUE(dealt) << dealt.error().message();
  EXPECT_EQ(to_hex(dealt->reveal()), block.text("Dealt02"));
  const auto parts = RecoveryParts::parse(group, block.hex("Parts"));
  ASSERT_TRUE(parts) << parts.error().message();
  EXPECT_TRUE(parts->check(bundle->sharing(), system_random()));
  const auto recovery = HpkePrivateKey::from_scalar(block.hex("CeremonyKey2"));
  const auto share = parts->open(*recovery, bundle->sharing());
  ASSERT_TRUE(share) << share.error().message();
  EXPECT_TRUE(*share == scalar_of(group, block, "Share3"));
}

// One version of a block's bundle: the block's values with this number, and the bundle that the version makes
// from `now`.
Result<Bundle> check_version(const Block& block, const std::string& number, const Bundle& now,
                             ByteView encoded) {
  const auto version = HandoverVersion::parse(encoded, now.sharing(), now.newest_hash());
  if (!version) return version.error();
  const HandoverTranscript& transcript = version->transcript;
  const HandoverPlan& plan = transcript.plan();
  EXPECT_EQ(plan.sid(), digest_of(block, "Sid" + number));
  EXPECT_EQ(plan->blob_hash, digest_of(block, "BlobHash" + number));
  EXPECT_EQ(plan.refreshes(now.sharing()), number == "1");
  EXPECT_EQ(HandoverPlan::parse(plan.encoded())->encoded(), plan.encoded());

  std::vector<HandoverOffer> offers;
  const Bytes encoded_offers = block.hex("Offers" + number);
  for (Reader r(encoded_offers); !r.empty();) {
    auto offer = HandoverOffer::parse(*r.lp4());
    if (!offer) return std::move(offer).error();
    offers.push_back(*std::move(offer));
  }
  if (auto checked = check_offers(plan, now.sharing(), offers); !checked) return std::move(checked).error();

  std::vector<Deal> deals;
  const Bytes encoded_deals = block.hex("Deals" + number);
  for (Reader r(encoded_deals); !r.empty();) {
    const ByteView deal = *r.lp4();
    auto parsed = Deal::parse(deal, plan);
    if (!parsed) return std::move(parsed).error();
    EXPECT_EQ(parsed->encode(), Bytes(deal.begin(), deal.end()));
    deals.push_back(*std::move(parsed));
  }
  const Bytes shares = block.hex("Shares" + number);
  const Bytes keys = block.hex("CeremonyKeys" + number);
  const Group& group = now.group();
  const auto key_of = [&](std::size_t party) {
    return *HpkePrivateKey::from_scalar(ByteView(keys).subspan(32 * party, 32));
  };
  const auto known_share = [&](unsigned index) {
    return *Scalar::parse(group.scalars(),
                          ByteView(shares).subspan((index - 1) * group.scalar_size(), group.scalar_size()));
  };
  const std::uint8_t recovery = transcript.sharing().recovery->index;
  for (std::uint8_t j = 1; j <= plan->parameters->n; ++j) {
    if (j == recovery) continue;
    const auto share = receive_share(transcript, deals, j, key_of(plan->parameters.holder_of(j)));
    if (!share) return share.error();
    EXPECT_TRUE(*share == known_share(j)) << int{j};
  }
  const auto parts = RecoveryParts::parse(group, block.hex("Parts" + number));
  if (!parts) return parts.error();
  const auto received = receive_parts(transcript, deals, 0, key_of(0), system_random());
  if (!received) return received.error();
  EXPECT_EQ(received->encoded(), parts->encoded());
  if (auto holds = parts->check(transcript.sharing(), system_random()); !holds) return holds.error();
  const auto recovered = parts->open(key_of(plan.recovery_party().value()), transcript.sharing());
  if (!recovered) return recovered.error();
  EXPECT_TRUE(*recovered == known_share(parts->index()));

  const VerifyKey& first = plan->parameters->parties.front().identity_key;
  EXPECT_TRUE(verify_acknowledgement(first, plan.sid(), transcript.hash(),
                                     array_of<64>(block.hex("Active" + number))));
  EXPECT_TRUE(verify_void(first, plan.sid(), array_of<64>(block.hex("Void" + number))));
  return now.followed_by(encoded);
}

void check_handover(const Block& block) {
  const Group& group = group_of_block(block);
  const Bytes encoded = block.hex("Bundle");
  const auto bundle = Bundle::parse(encoded);
  ASSERT_TRUE(bundle) << bundle.error().message();
  EXPECT_TRUE(bundle->public_key().h() == element_of(group, block, "H"));
  EXPECT_EQ(bundle->epoch(), 2u);
  EXPECT_EQ(bundle->parameters()->t, 3);
  Reader r(ByteView(encoded).subspan(5));
  auto now = Bundle::parse(*r.lp4());
  ASSERT_TRUE(now) << now.error().message();
  EXPECT_EQ(r.u16(), 2);
  for (const std::string number : {"1", "2"}) {
    auto next = check_version(block, number, *now, *r.lp4());
    ASSERT_TRUE(next) << next.error().message();
    EXPECT_TRUE(next->extends(*now));
    EXPECT_FALSE(now->extends(*next));
    now = std::move(next);
  }
  EXPECT_EQ(now->encoded(), encoded);
  EXPECT_EQ(now->newest_hash(), bundle->newest_hash());
}

TEST(Oracle, ItsVectorsHoldHere) {
  const std::map<std::string, void (*)(const Block&)> checks = {
      {"tdh2", check_tdh2},         {"batch", check_batch},       {"encapsulation", check_encapsulation},
      {"file", check_file},         {"recovery", check_recovery}, {"dkg", check_dkg},
      {"request", check_request},   {"chain", check_chain},       {"derive", check_derive},
      {"handover", check_handover}, {"log", check_log},           {"recovery-part", check_recovery_part},
      {"status", check_status}};
  std::map<std::string, int> seen;
  for (const Block& block : testdata::read_vectors("oracle.vec")) {
    const std::string type = block.text("Type");
    ASSERT_TRUE(checks.contains(type)) << type;
    SCOPED_TRACE(block.where());
    checks.at(type)(block);
    ++seen[type];
  }
  for (const auto& [type, check] : checks) EXPECT_GT(seen[type], 1) << type;
}

}  // namespace
}  // namespace coprotect::protocol
