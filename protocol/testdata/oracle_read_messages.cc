#include "protocol/base/reader.h"
#include "protocol/base/test_must.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/chain.h"
#include "protocol/message/handover.h"
#include "protocol/message/log_cut.h"
#include "protocol/message/reply.h"
#include "protocol/message/request.h"
#include "protocol/testdata/oracle_read.h"

namespace coprotect::protocol {

void check_request(const Block& block) {
  const Group& group = group_of_block(block);
  auto envelope = SignedRequest::parse_envelope(block.hex("Request"));
  ASSERT_TRUE(envelope) << envelope.error().message();
  const auto parsed = std::move(*envelope).open(group.suite());
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->hash, digest_of(block, "RequestHash"));
  const Request& request = parsed->request;
  EXPECT_EQ(request.tenant, "acme");
  EXPECT_EQ(request.key_id, digest_of(block, "KeyId"));
  ASSERT_EQ(request.audience.size(), 1u);
  EXPECT_EQ(to_hex(request.audience[0]), block.text("Audience"));
  EXPECT_EQ(request.action, Action::view);
  EXPECT_EQ(request.reason, block.text("Reason"));
  EXPECT_EQ(to_hex(request.nonce), block.text("Nonce"));
  EXPECT_EQ(request.time_ms, static_cast<std::int64_t>(block.number("Time")));
  const auto& items = std::get<PartialDecryptBody>(request.body).items;
  Writer cores;
  for (const auto& item : items) cores.lp4(item.core);
  EXPECT_EQ(to_hex(cores.view()), block.text("Cores"));
  const auto identity = client_identity(parsed->chain.front());
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->uri, "coprotect:acme:user:alice");

  const auto reply_key = HpkePrivateKey::from_scalar(block.hex("ReplyKey"));
  EXPECT_EQ(reply_key->public_key(), request.reply_key);
  const auto sealed = SealedReply::parse(block.hex("Reply"));
  ASSERT_TRUE(sealed);
  const auto party = must(VerifyKey::parse(block.hex("Audience")));
  const auto opened = sealed->open(party, *reply_key, parsed->hash);
  ASSERT_TRUE(opened) << opened.error().message();
  const auto refused =
      must(must(SealedReply::parse(block.hex("Refused"))).open(party, *reply_key, parsed->hash));
  EXPECT_EQ(to_hex(std::get<Refusal>(refused).encode()), block.text("Refusal"));
  const auto replies = parse_partial_replies(std::get<Secret>(*opened).reveal(), group);
  ASSERT_TRUE(replies) << replies.error().message();
  ASSERT_EQ(replies->size(), 1u);
  const PartialReply& reply = replies->front();
  EXPECT_TRUE(*reply.items[0].value == element_of(group, block, "K1"));
  EXPECT_EQ(reply.items[1].status, ItemStatus::denied_by_file);
  const DleqProof proof = proof_of(group, block, "Proof");
  EXPECT_EQ(reply.proof->c, proof.c);
  EXPECT_TRUE(reply.proof->z == proof.z);
}

void check_derive(const Block& block) {
  const Group& group = group_of_block(block);
  auto envelope = SignedRequest::parse_envelope(block.hex("Request"));
  ASSERT_TRUE(envelope) << envelope.error().message();
  const auto parsed = std::move(*envelope).open(group.suite());
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->hash, digest_of(block, "RequestHash"));
  EXPECT_EQ(parsed->request.reason, block.text("Reason"));
  const auto& peers = std::get<DeriveBody>(parsed->request.body).peers;
  ASSERT_EQ(peers.size(), 1u);
  EXPECT_TRUE(peers.front() == element_of(group, block, "Peer"));

  std::vector<IndexedPartial> partials;
  for (std::uint8_t i = 1; i <= 3; ++i) {
    const std::string n = std::to_string(i);
    const Scalar share = scalar_of(group, block, "Share" + n);
    const Element value = element_of(group, block, "K" + n);
    const Digest context = partial_context(group.suite(), digest_of(block, "KeyId"), 0, i, parsed->hash);
    const PartialSet set{.values = {value}, .proof = proof_of(group, block, "Proof" + n)};
    EXPECT_TRUE(verify_partials(group.generator_power_secret(share), peers, set, context)) << n;
    partials.push_back({i, value});
  }
  const Element z = element_of(group, block, "Z");
  EXPECT_TRUE(*combine(std::vector{partials[0], partials[1]}) == z);
  EXPECT_TRUE(*combine(std::vector{partials[2], partials[0]}) == z);
  const Bytes raw = block.hex("Raw");
  const Bytes encoded = z.encode();
  EXPECT_TRUE(std::equal(raw.rbegin(), raw.rend(), encoded.rbegin()));
  EXPECT_EQ(raw.size(), group.suite() == SuiteId::p256 ? 32u : encoded.size());
}

void check_chain(const Block& block) {
  static_cast<void>(group_of_block(block));
  const Bytes parties = block.hex("Parties");
  const auto party = [&](std::size_t n) {
    PublicKeyBytes key{};
    std::copy_n(parties.begin() + static_cast<std::ptrdiff_t>(33 * n), 33, key.begin());
    return key;
  };
  const auto forward = ForwardMessage::parse(block.hex("Forward"));
  ASSERT_TRUE(forward) << forward.error().message();
  EXPECT_EQ(forward->request, block.hex("Request"));
  EXPECT_EQ(forward->visited, (std::vector{party(0), party(1)}));
  EXPECT_EQ(forward->budget_ms, block.number("Budget"));
  EXPECT_EQ(forward->encode(), block.hex("Forward"));

  const auto list = ChainReply::parse(block.hex("List"));
  ASSERT_TRUE(list) << list.error().message();
  ASSERT_EQ(list->entries.size(), 2u);
  EXPECT_EQ(list->entries[0].party, party(0));
  EXPECT_EQ(std::get<Bytes>(list->entries[0].answer), block.hex("Reply"));
  EXPECT_EQ(list->entries[1].party, party(2));
  const auto& refusal = std::get<Refusal>(list->entries[1].answer);
  EXPECT_EQ(code_name(refusal.code), block.text("Code"));
  EXPECT_EQ(refusal.detail, block.text("Detail"));
  EXPECT_EQ(to_hex(refusal.request_id), block.text("RequestId"));
  EXPECT_EQ(list->encode(), block.hex("List"));
}

// The same log with its first entry in an archive.
void check_cut(const Block& block) {
  const auto cut = LogCut::parse(block.hex("Cut"));
  ASSERT_TRUE(cut) << cut.error().message();
  EXPECT_EQ(cut->encode(), block.hex("Cut"));
  EXPECT_EQ(to_hex(cut->identity_key), block.text("Identity"));
  EXPECT_EQ(cut->chain, digest_of(block, "Before"));
  EXPECT_EQ(cut->archive, sha256(block.hex("Archive")));
  const auto archive =
      LogArchive::read(block.hex("Archive"), [&](const LogReply::Line& line, const auto& entry) {
        EXPECT_EQ(line.entry, block.hex("Entry1"));
        EXPECT_TRUE(entry && entry->seq == 1);
        return Status(Done{});
      });
  ASSERT_TRUE(archive) << archive.error().message();
  EXPECT_EQ(archive->first.after, 0u);
  EXPECT_EQ(archive->second.chain, cut->chain);
  const auto rest = LogReply::parse(block.hex("CutReply"));
  ASSERT_TRUE(rest) << rest.error().message();
  EXPECT_EQ(rest->encode(), block.hex("CutReply"));
  EXPECT_EQ(rest->cut, block.hex("Cut"));
  EXPECT_EQ(rest->before, cut->chain);
}

void check_log(const Block& block) {
  const auto first = LogEntry::parse(block.hex("Entry1"));
  const auto second = LogEntry::parse(block.hex("Entry2"));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->encode(), block.hex("Entry1"));
  EXPECT_EQ(second->encode(), block.hex("Entry2"));
  ASSERT_TRUE(first->handover);
  EXPECT_EQ(first->handover->step, 4);
  EXPECT_EQ(recorded_name(first->operation), "handover");
  EXPECT_EQ(second->items.back().status, ItemStatus::malformed);
  const auto head = LogHead::parse(block.hex("Head"));
  ASSERT_TRUE(head) << head.error().message();
  EXPECT_EQ(to_hex(head->identity_key), block.text("Identity"));
  const auto reply = LogReply::parse(block.hex("Reply"));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->encode(), block.hex("Reply"));
  EXPECT_EQ(reply->head, block.hex("Head"));
  EXPECT_EQ(reply->before, digest_of(block, "Before"));
  EXPECT_EQ(reply->before, chain_next({}, sha256(block.hex("Entry1"))));
  ASSERT_EQ(reply->lines.size(), 2u);
  EXPECT_EQ(reply->lines[0].entry, block.hex("Entry2"));
  EXPECT_EQ(reply->lines[1].hash, digest_of(block, "Foreign"));
  EXPECT_TRUE(suite_by_name(block.text("Suite")));
  EXPECT_EQ(chain_next(chain_next(reply->before, sha256(block.hex("Entry2"))), reply->lines[1].hash),
            digest_of(block, "Chain"));
  EXPECT_EQ(chain_next(chain_next(reply->before, reply->lines[0].hash), reply->lines[1].hash), head->chain);
  EXPECT_TRUE(reply->cut.empty());
  check_cut(block);
}

void check_status(const Block& block) {
  const Bytes parties = block.hex("Parties");
  const auto status = HandoverStatus::parse(block.hex("Status"));
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(status->encode(), block.hex("Status"));
  ASSERT_EQ(status->acknowledgements.size(), 2u);
  EXPECT_TRUE(std::ranges::equal(status->acknowledgements[1].party, ByteView(parties).subspan(33)));
  EXPECT_TRUE(status->unacknowledged && status->prepared);
  const auto& said = status->condition;
  EXPECT_EQ(said.parts_verified_ms, static_cast<std::int64_t>(block.number("PartsVerified")));
  EXPECT_EQ(said.code_opened_ms, static_cast<std::int64_t>(block.number("CodeOpened")));
  EXPECT_EQ(said.recovery, block.text("Recovery"));
  EXPECT_EQ(said.contacts, block.text("Contacts"));
  EXPECT_TRUE(said.erasure_held);
  EXPECT_EQ(said.erasure, block.text("Erasure"));
  EXPECT_TRUE(suite_by_name(block.text("Suite")));

  const auto bare = HandoverStatus::parse(block.hex("Bare"));
  ASSERT_TRUE(bare) << bare.error().message();
  EXPECT_EQ(bare->encode(), block.hex("Bare"));
  EXPECT_FALSE(bare->condition.parts_verified_ms || bare->condition.code_opened_ms);
  EXPECT_FALSE(bare->condition.erasure_held);
}

}  // namespace coprotect::protocol
