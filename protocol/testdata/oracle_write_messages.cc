#include "protocol/base/reader.h"
#include "protocol/base/test_must.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/chain.h"
#include "protocol/message/handover.h"
#include "protocol/message/log_cut.h"
#include "protocol/message/reply.h"
#include "protocol/message/request.h"
#include "protocol/testdata/oracle_write.h"
#include "protocol/threshold/shamir.h"
#include "protocol/x509/issue.h"

namespace coprotect::protocol {

void write_request(Blocks& blocks, const Group& group) {
  const SigningKey client = SigningKey::generate(system_random());
  const SigningKey party = SigningKey::generate(system_random());
  const HpkePrivateKey reply_key = HpkePrivateKey::generate(system_random());
  const PublicKey key = *PublicKey::make(group.random_message(system_random()));
  std::vector<PartialItem> items;
  Writer cores;
  const Digest key_id = random_digest();
  for (int i = 0; i < 2; ++i) {
    const auto [header, file_key] = *Header::create(key, key_id, Bytes{}, system_random());
    const ByteView core = header.core_bytes();
    cores.lp4(core);
    items.push_back({.core = Bytes(core.begin(), core.end()),
                     .stanza_type = kStanzaTdh2,
                     .capsule = (*header.stanza_for(key_id))->ciphertext.capsule()});
  }
  const std::vector<Certificate> chain = {
      self_signed("alice", CertificateUse::client, client, {"coprotect:acme:user:alice"})};
  const Digest nonce = random_digest();
  Request request{.tenant = "acme",
                  .key_id = key_id,
                  .epoch = 0,
                  .audience = {party.public_key().bytes()},
                  .action = Action::view,
                  .reason = "quarterly review",
                  .nonce = {},
                  .time_ms = kNow,
                  .reply_key = reply_key.public_key(),
                  .body = PartialDecryptBody{.items = std::move(items)}};
  std::copy_n(nonce.begin(), request.nonce.size(), request.nonce.begin());
  const Bytes encoded = SignedRequest::sign(request, chain, client);
  const Digest hash = sha256(encoded);
  const Element value = group.random_message(system_random());
  const DleqProof proof{.c = random_digest(), .z = Scalar::random(group.scalars(), system_random())};
  std::vector<PartialReply> replies;
  replies.push_back({.index = 1,
                     .epoch = 0,
                     .items = {{.status = ItemStatus::done, .value = value, .detail = ""},
                               {.status = ItemStatus::denied_by_file, .value = std::nullopt, .detail = "no"}},
                     .proof = DleqProof{.c = proof.c, .z = proof.z.clone()}});
  const Secret plaintext = encode_partial_replies(replies);
  const auto reply =
      *SealedReply::answer(party, plaintext.reveal(), reply_key.public_key(), hash, system_random());
  const Refusal refusal{.code = Code::denied, .detail = "not you", .request_id = {1, 2, 3}};
  const auto refused = *SealedReply::refuse(party, refusal, reply_key.public_key(), hash, system_random());
  blocks.text("Type", "request").text("Suite", suite_name(group.suite())).hex("Request", encoded);
  blocks.hex("RequestHash", hash).hex("KeyId", key_id).hex("Audience", party.public_key().bytes());
  blocks.text("Reason", request.reason)
      .hex("Nonce", request.nonce)
      .text("Time", std::to_string(request.time_ms));
  blocks.hex("ReplyKey", reply_key.scalar().reveal()).hex("Cores", cores.view()).hex("Reply", reply.encode());
  blocks.hex("Refused", refused.encode()).hex("Refusal", refusal.encode());
  blocks.hex("K1", value.encode()).proof("Proof", proof).end();
}

void write_derive(Blocks& blocks, const Group& group) {
  const Polynomial polynomial = Polynomial::random(group, 2, system_random());
  const SigningKey client = SigningKey::generate(system_random());
  const SigningKey party = SigningKey::generate(system_random());
  const std::vector<Certificate> chain = {
      self_signed("alice", CertificateUse::client, client, {"coprotect:acme:user:alice"})};
  const Scalar secret = Scalar::random(group.scalars(), system_random());
  const std::vector<Element> peers = {group.generator_power_secret(secret)};
  const Request request{.tenant = "acme",
                        .key_id = random_digest(),
                        .epoch = 0,
                        .audience = {party.public_key().bytes()},
                        .action = Action::view,
                        .reason = "cms",
                        .nonce = {},
                        .time_ms = kNow,
                        .reply_key = HpkePrivateKey::generate(system_random()).public_key(),
                        .body = DeriveBody{.peers = peers}};
  const Bytes encoded = SignedRequest::sign(request, chain, client);
  const Digest hash = sha256(encoded);
  // As the peer computes it: from h and its own secret.
  const Element z = group.power_secret(group.generator_power_secret(polynomial.constant()), secret);
  const Bytes z_encoded = z.encode();
  const ByteView raw = ByteView(z_encoded).subspan(group.suite() == SuiteId::p256 ? 1 : 0);
  blocks.text("Type", "derive").text("Suite", suite_name(group.suite())).hex("Request", encoded);
  blocks.hex("RequestHash", hash).hex("KeyId", request.key_id).text("Reason", request.reason);
  blocks.hex("Peer", peers.front().encode()).hex("Z", z_encoded).hex("Raw", raw);
  for (std::uint8_t i = 1; i <= 3; ++i) {
    const std::string n = std::to_string(i);
    const Scalar share = polynomial.at(i);
    const Digest context = partial_context(group.suite(), request.key_id, 0, i, hash);
    const PartialSet set =
        compute_partials(share, group.generator_power_secret(share), peers, context, system_random());
    blocks.hex("Share" + n, share.bytes().reveal()).hex("K" + n, set.values[0].encode());
    blocks.proof("Proof" + n, set.proof);
  }
  blocks.end();
}

void write_chain(Blocks& blocks, const Group& group) {
  std::vector<PublicKeyBytes> parties;
  Writer all;
  for (int i = 0; i < 3; ++i) {
    parties.push_back(SigningKey::generate(system_random()).public_key().bytes());
    all.bytes(parties.back());
  }
  const Digest request = random_digest();
  const Digest reply = random_digest();
  const Refusal refusal{
      .code = Code::bad_proof, .detail = "does not hold, größer", .request_id = {1, 2, 3, 4, 5, 6, 7, 8}};
  const ForwardMessage forward{.request = Bytes(request.begin(), request.end()),
                               .visited = {parties[0], parties[1]},
                               .budget_ms = 27'000};
  const ChainReply list{.entries = {{.party = parties[0], .answer = Bytes(reply.begin(), reply.end())},
                                    {.party = parties[2], .answer = refusal}}};
  blocks.text("Type", "chain").text("Suite", suite_name(group.suite())).hex("Parties", all.view());
  blocks.hex("Request", request).text("Budget", "27000").hex("Forward", forward.encode()).hex("Reply", reply);
  blocks.text("Code", "bad-proof").text("Detail", refusal.detail).hex("RequestId", refusal.request_id);
  blocks.hex("List", list.encode()).end();
}

void write_log(Blocks& blocks, const Group& group) {
  const SigningKey identity = SigningKey::generate(system_random());
  LogEntry first{.seq = 1,
                 .time_ms = kNow,
                 .kind = EntryKind::result,
                 .operation = static_cast<std::uint8_t>(Operation::handover),
                 .tenant = "acme",
                 .key_id = random_digest(),
                 .client = "coprotect:acme:admin:root",
                 .request_id = {1, 2},
                 .request_hash = random_digest(),
                 .action = 1,
                 .reason = "größer",
                 .outcome = "ok",
                 .detail = "handover deal",
                 .items = {},
                 .handover = LogEntry::Step{.step = 4, .sid = random_digest(), .payload = random_digest()}};
  LogEntry second = first;
  second.seq = 2;
  second.operation = static_cast<std::uint8_t>(Operation::derive);
  second.handover.reset();
  second.items = {{.c1_hash = random_digest(), .status = ItemStatus::bad_proof}};
  const Digest foreign = random_digest();
  const Digest before = chain_next({}, sha256(first.encode()));
  const Digest chain = chain_next(chain_next(before, sha256(second.encode())), foreign);
  const Bytes head = LogHead::sign(3, kNow, chain, identity).encode();
  const LogReply reply{
      .head = head, .before = before, .lines = {{second.encode(), sha256(second.encode())}, {{}, foreign}}};
  blocks.text("Type", "log").text("Suite", suite_name(group.suite()));
  blocks.hex("Identity", identity.public_key().bytes()).hex("Entry1", first.encode());
  blocks.hex("Entry2", second.encode()).hex("Foreign", foreign).hex("Before", before).hex("Chain", chain);
  blocks.hex("Head", head).hex("Reply", reply.encode());
  const LogArchive archive{
      .identity_key = identity.public_key().bytes(), .after = 0, .before = {}, .count = 1};
  Bytes archived = archive.header();
  for (const Bytes& part : {LogArchive::line({.entry = first.encode(), .hash = {}}),
                            LogHead::sign(1, kNow, before, identity).encode()})
    archived.insert(archived.end(), part.begin(), part.end());
  LogReply rest = reply;
  rest.cut = LogCut::sign({.identity_key = {},
                           .after = 0,
                           .seq = 1,
                           .chain = before,
                           .count = 1,
                           .archive = sha256(archived),
                           .time_ms = kLater,
                           .signature = {}},
                          identity)
                 .encode();
  blocks.hex("Archive", archived).hex("Cut", rest.cut).hex("CutReply", rest.encode()).end();
}

void write_status(Blocks& blocks, const Group& group) {
  std::vector<Statement> said(2);
  Bytes parties;
  for (Statement& statement : said) {
    statement.party = SigningKey::generate(system_random()).public_key().bytes();
    parties.insert(parties.end(), statement.party.begin(), statement.party.end());
  }
  const Digest bundle = random_digest();
  const HandoverStatus status{.epoch = 3,
                              .decided = 4,
                              .unacknowledged = true,
                              .bundle = {bundle.begin(), bundle.end()},
                              .acknowledgements = said,
                              .prepared = HandoverStatus::Prepared{{1, 2, 3}, {4}},
                              .announced = {},
                              .condition = {.parts_verified_ms = kNow,
                                            .code_opened_ms = kLater,
                                            .recovery = "größer",
                                            .contacts = "not told",
                                            .erasure_held = true,
                                            .erasure = "no such file"}};
  HandoverStatus bare = status;
  bare.unacknowledged = false;
  bare.acknowledgements.clear();
  bare.prepared.reset();
  bare.condition = {};
  const auto& condition = status.condition;
  blocks.text("Type", "status").text("Suite", suite_name(group.suite())).hex("Parties", parties);
  blocks.hex("Status", status.encode()).text("PartsVerified", std::to_string(kNow));
  blocks.text("CodeOpened", std::to_string(kLater)).text("Recovery", condition.recovery);
  blocks.text("Contacts", condition.contacts).text("Erasure", condition.erasure);
  blocks.hex("Bare", bare.encode()).end();
}

}  // namespace coprotect::protocol
