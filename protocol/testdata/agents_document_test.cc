// The test vectors in VECTORS.md for recovery, invitations, and messages between agents and administrators.

#include <gtest/gtest.h>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/bundle/bundle.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/announcement.h"
#include "protocol/message/chain.h"
#include "protocol/message/drill_signature.h"
#include "protocol/message/handover.h"
#include "protocol/message/invitation.h"
#include "protocol/message/onboarding.h"
#include "protocol/message/peer_state.h"
#include "protocol/recovery/code.h"
#include "protocol/recovery/kit.h"
#include "protocol/testdata/document.h"
#include "protocol/testdata/fixed_random.h"
#include "protocol/testdata/oracle_read.h"

namespace coprotect::protocol {
namespace {

Block document_block(const std::string& name) {
  return testdata::read_document("VECTORS.md", name);
}

// One value of a block that another test reads completely.
Bytes value_of(const std::string& name, const std::string& value) {
  const Block block = document_block(name);
  block.all();
  return block.hex(value);
}

std::uint64_t number_of(const Block& block, const std::string& name) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : block.hex(name)) number = number << 8 | byte;
  return number;
}

std::string string_of(const Block& block, const std::string& name) {
  return std::string(text_of(block.hex(name)));
}

// The digest that a message's last 64 bytes sign.
Digest digest_signed_by(std::string_view tag, ByteView message) {
  return tagged_hash(tag, {sha256(message.first(message.size() - std::tuple_size_v<Signature>))});
}

TEST(AgentsDocument, ABlobAndItsKitAreMadeOfTheCode) {
  const Block block = document_block("kit-p256");
  const auto secret = read_code(block.hex("code"));
  ASSERT_TRUE(secret) << secret.error().message();
  const Bytes symbols = block.hex("symbols");
  ASSERT_EQ(secret->size(), symbols.size());
  constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  for (std::size_t i = 0; i < symbols.size(); ++i)
    EXPECT_EQ(secret->reveal()[i], static_cast<std::uint8_t>(kAlphabet[symbols[i]]));
  const auto recovery = HpkePrivateKey::from_scalar(block.hex("recovery scalar"));
  ASSERT_TRUE(recovery);
  EXPECT_EQ(to_hex(recovery->public_key()), block.text("recovery_key"));

  const KeyId key_id = digest_of(block, "key_id");
  const auto sealed =
      RecoveryBlob::seal_with(kCodeCost, array_of<16>(block.hex("salt")), array_of<12>(block.hex("nonce")),
                              *secret, key_id, SuiteId::p256, *recovery);
  ASSERT_TRUE(sealed) << sealed.error().message();
  const auto& [blob, recovery_key] = *sealed;
  EXPECT_EQ(to_hex(blob.encoded()), block.text("blob"));
  EXPECT_EQ(block.text("blob"), block.text("aad of the blob") + "0030" + block.text("sealed"));
  EXPECT_EQ(to_hex(recovery_key.key.reveal()), block.text("K"));
  for (const auto& [name, info] : {std::pair("blob", "CPV1-BLOB"), std::pair("kit", "CPV1-KIT")})
    EXPECT_EQ(to_hex(hkdf_sha256({}, recovery_key.key.reveal(), bytes_of(info), 32).reveal()),
              block.text("key of the " + std::string(name)));
  const auto opened = blob.open(*secret);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(opened->hpke.public_key() == recovery->public_key());

  const auto administrator = SigningKey::from_scalar(block.hex("administrator's key"));
  const auto client_ca = SigningKey::from_scalar(block.hex("client CA's key"));
  ASSERT_TRUE(administrator && client_ca);
  const auto certificate = Certificate::parse_der(block.hex("certificate"));
  ASSERT_TRUE(certificate) << certificate.error().message();
  EXPECT_TRUE(certificate->key() == administrator->public_key());
  FixedRandom random(block.hex("nonce of the kit"));
  const auto kit = RecoveryKit::seal(block.hex("bundle"), blob, block.hex("certificate"), *administrator,
                                     &*client_ca, recovery_key, random);
  const Bytes encoded = kit.encode();
  EXPECT_EQ(sha256(encoded), digest_of(block, "SHA-256(kit)"));
  EXPECT_TRUE(to_hex(encoded).ends_with("0050" + block.text("sealed_key")));
  EXPECT_EQ(tagged_hash("CPV1-KIT", {key_id, sha256(blob.encoded()), block.hex("certificate")}),
            digest_of(block, "aad of the kit"));
  const auto again = RecoveryKit::parse(encoded);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(again->open_key(recovery_key)->public_key() == administrator->public_key());
  EXPECT_TRUE(again->open_client_ca(recovery_key)->public_key() == client_ca->public_key());
}

// The document's invitation as a line.
Bytes invitation_line(const Block& block) {
  Bytes payload = block.hex("invitation");
  const Digest digest = sha256(payload);
  EXPECT_EQ(to_hex(ByteView(digest).first(4)), block.text("checksum"));
  payload.insert(payload.end(), digest.begin(), digest.begin() + 4);
  constexpr std::string_view kSymbols = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string line = "coprotect-invitation-1.";
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t byte : payload) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 6; count -= 6) line += kSymbols[bits >> (count - 6) & 63];
  }
  if (count > 0) line += kSymbols[bits << (6 - count) & 63];
  return Bytes(line.begin(), line.end());
}

TEST(AgentsDocument, AnInvitationIsALineAndASecretForMacs) {
  const Block block = document_block("invitation-p256");
  const Bytes line = invitation_line(block);
  EXPECT_EQ(sha256(line), digest_of(block, "SHA-256(line)"));
  const auto invitation = Invitation::parse(line);
  ASSERT_TRUE(invitation) << invitation.error().message();
  EXPECT_EQ(to_hex(invitation->encode().reveal()), to_hex(line));
  EXPECT_EQ(to_hex(invitation->id), block.text("id"));
  EXPECT_EQ(to_hex(invitation->secret.reveal()), block.text("secret"));
  EXPECT_EQ(static_cast<std::uint64_t>(invitation->expires_ms), number_of(block, "expires"));
  EXPECT_EQ(to_hex(invitation->client_certificate.der()), block.text("client_certificate"));
  EXPECT_EQ(to_hex(invitation->client_key.scalar().reveal()), block.text("client_key"));

  // It belongs to the first agent of the document's key generation.
  const auto bundle = Bundle::parse(value_of("bundle-p256", "bundle"));
  ASSERT_TRUE(bundle) << bundle.error().message();
  const Parameters& parameters = bundle->parameters();
  const Party& agent = parameters->parties.front();
  EXPECT_EQ(invitation->role, agent.name);
  EXPECT_EQ(invitation->url, agent.url);
  EXPECT_EQ(invitation->tenant, parameters->tenant);
  EXPECT_EQ(to_hex(invitation->identity_certificate.der()), to_hex(agent.identity_certificate->der()));
  ASSERT_TRUE(invitation->organisation);
  EXPECT_EQ(invitation->organisation->encoded(), agent.organisation.encoded());

  const Secret& secret = invitation->secret;
  const auto nonce = array_of<16>(block.hex("nonce"));
  const Bytes open = OpenMessage{
      .invitation = invitation->id,
      .tenant = invitation->tenant,
      .purpose = Purpose::envelope,
      .suite = SuiteId::p256,
      .key_id = {},
      .newest_hash = {},
      .nonce = nonce,
      .mac = {}}.encode(secret);
  EXPECT_EQ(to_hex(open), block.text("open"));
  EXPECT_TRUE(verify_mac(secret, MacTag::open, open));
  const ByteView unsigned_open = ByteView(open).first(open.size() - kInvitationMacSize);
  EXPECT_EQ(tagged_hash("CPV1-OPEN", {sha256(unsigned_open)}), digest_of(block, "input of HMAC for open"));

  const auto offer = HandoverOffer::parse(block.hex("offer"));
  ASSERT_TRUE(offer) << offer.error().message();
  EXPECT_EQ(offer->nonce, agent.nonce);
  EXPECT_EQ(offer->ceremony_key, agent.ceremony_key);
  EXPECT_TRUE(agent.identity_key.verify(offer->hash(), offer->signature));
  const auto last = HandoverVersion::plan_of(Bundle::parse(value_of("handover-p256", "bundle"))->newest());
  ASSERT_TRUE(last) << last.error().message();
  const std::pair<const char*, Bytes> messages[] = {
      {"offer", OfferMessage{.offer = *offer, .mac = {}}.encode(secret, open)},
      {"parameters",
       ParametersMessage{.invitation = invitation->id, .parameters = parameters.encoded(), .mac = {}}.encode(
           secret)},
      {"status",
       ControlMessage{
           .invitation = invitation->id, .kind = ControlKind::status, .sid = {}, .nonce = nonce, .mac = {}}
           .encode(secret)},
      {"abort", ControlMessage{.invitation = invitation->id,
                               .kind = ControlKind::abort,
                               .sid = parameters.sid(),
                               .nonce = nonce,
                               .mac = {}}
                    .encode(secret)},
      {"void", VoidMessage{.invitation = invitation->id, .plan = last->encoded(), .mac = {}}.encode(secret)},
  };
  for (const auto& [name, message] : messages) {
    const ByteView before = ByteView(message).first(message.size() - kInvitationMacSize);
    EXPECT_EQ(sha256(before), digest_of(block, "SHA-256(" + std::string(name) + " without its MAC)")) << name;
    EXPECT_EQ(to_hex(ByteView(message).last(kInvitationMacSize)), block.text("MAC of " + std::string(name)));
  }
}

TEST(AgentsDocument, AChainCarriesTheRequestAndTheReply) {
  const Block block = document_block("chain-p256");
  const Bytes request = value_of("request-p256", "request");
  const Bytes reply = value_of("request-p256", "reply");
  const auto party = [&](const std::string& name) { return array_of<33>(block.hex(name)); };
  const ForwardMessage forward{.request = request,
                               .visited = {party("party 1"), party("party 2")},
                               .budget_ms = static_cast<std::uint32_t>(number_of(block, "budget_ms"))};
  const Bytes encoded = forward.encode();
  EXPECT_EQ(sha256(encoded), digest_of(block, "SHA-256(forward)"));
  EXPECT_TRUE(to_hex(encoded).ends_with(block.text("after the request")));
  const auto forwarded = ForwardMessage::parse(encoded);
  ASSERT_TRUE(forwarded) << forwarded.error().message();
  EXPECT_EQ(forwarded->visited, forward.visited);

  EXPECT_EQ(string_of(block, "code"), code_name(Code::unavailable));
  const Refusal refusal{.code = Code::unavailable,
                        .detail = string_of(block, "detail"),
                        .request_id = array_of<8>(block.hex("request_id"))};
  const ChainReply list{
      .entries = {{.party = array_of<33>(value_of("request-p256", "identity_key")), .answer = reply},
                  {.party = party("party 2"), .answer = refusal}}};
  const Bytes encoded_list = list.encode();
  EXPECT_EQ(sha256(encoded_list), digest_of(block, "SHA-256(list)"));
  EXPECT_TRUE(to_hex(encoded_list).ends_with(block.text("second entry")));
  const auto read = ChainReply::parse(encoded_list);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(std::get<Bytes>(read->entries.front().answer), reply);
}

TEST(AgentsDocument, PeersAskAndAnswer) {
  const Block block = document_block("peers-p256");
  const Bytes before = block.hex("question before");
  const Bytes encoded = block.hex("question");
  const auto question = PeerQuestion::parse(encoded);
  ASSERT_TRUE(question) << question.error().message();
  EXPECT_EQ(to_hex(question->asker), block.text("asker"));
  EXPECT_EQ(to_hex(question->asked), block.text("asked"));
  EXPECT_EQ(question->known, digest_of(block, "SHA-256(question before)"));
  EXPECT_EQ(question->known, sha256(before));
  const PeerState& state = question->state;
  ASSERT_TRUE(state.head);
  EXPECT_EQ(to_hex(state.head->encode()), block.text("head"));
  ASSERT_EQ(state.epochs.size(), 2u);
  int number = 0;
  for (const auto& [key_id, epoch] : state.epochs) {
    const std::string n = std::to_string(++number);
    EXPECT_EQ(key_id, digest_of(block, "key_id " + n));
    Writer numbers;
    numbers.u32(epoch).u32(state.said.at(key_id).acknowledged).u32(state.said.at(key_id).decided);
    EXPECT_EQ(to_hex(numbers.view()), block.text("epoch, acknowledged, decided " + n));
  }
  EXPECT_EQ(state.serials.at({ListKind::clients, "acme"}), number_of(block, "serial of clients"));
  EXPECT_EQ(state.serials.at({ListKind::keys, "acme"}), number_of(block, "serial of keys"));
  EXPECT_EQ(digest_signed_by("CPV1-PEER-QUESTION", encoded), digest_of(block, "signed digest of question"));

  const Bytes encoded_answer = block.hex("answer");
  const auto answer = PeerAnswer::parse(encoded_answer);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->answerer, question->asked);
  EXPECT_EQ(answer->question, digest_of(block, "SHA-256(question)"));
  EXPECT_EQ(answer->question, sha256(encoded));
  EXPECT_EQ(answer->remembered, before);
  ASSERT_EQ(answer->lists.size(), 1u);
  EXPECT_EQ(answer->lists.front().kind, ListKind::clients);
  EXPECT_EQ(answer->lists.front().list, value_of("lists-p256", "client list"));
  EXPECT_EQ(digest_signed_by("CPV1-PEER-ANSWER", encoded_answer),
            digest_of(block, "signed digest of answer"));

  const auto earlier = PeerQuestion::parse(before);
  ASSERT_TRUE(earlier) << earlier.error().message();
  EXPECT_FALSE(earlier->state.head);
  EXPECT_TRUE(earlier->state.epochs.empty() && earlier->state.serials.empty());
}

TEST(AgentsDocument, AnAnnouncementIsTheLayoutOfTheNewEpoch) {
  const Block block = document_block("notice-p256");
  const auto bundle = Bundle::parse(value_of("handover-p256", "bundle"));
  ASSERT_TRUE(bundle) << bundle.error().message();
  const Announcement announcement = Announcement::of(bundle->parameters());
  EXPECT_EQ(to_hex(announcement.layout.encode()), block.text("layout"));
  EXPECT_EQ(to_hex(announcement.encode()), block.text("announcement"));
  const HandoverNotice notice{
      .what = announcement,
      .announcer = digest_of(block, "announcer"),
      .client = string_of(block, "client"),
      .not_before_ms = static_cast<std::int64_t>(number_of(block, "not before")),
      .running_left_ms = static_cast<std::int64_t>(number_of(block, "running time left")),
      .vetoed = number_of(block, "vetoed") == 1};
  EXPECT_EQ(notice.hash(), digest_of(block, "notice_hash"));
  const Bytes encoded = notice.encode();
  EXPECT_EQ(sha256(encoded), digest_of(block, "SHA-256(notice)"));
  EXPECT_TRUE(to_hex(encoded).ends_with(block.text("after the announcement")));
  const auto read = HandoverNotice::parse(encoded);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_TRUE(read->what == announcement);
}

TEST(AgentsDocument, ADrillIsSignedAndReported) {
  const Block block = document_block("drill-p256");
  const Bytes evidence = block.hex("evidence");
  EXPECT_EQ(sha256(evidence), digest_of(block, "SHA-256(evidence)"));
  EXPECT_EQ(tagged_hash("CPV1-DRILL", {sha256(evidence)}), digest_of(block, "signed digest"));
  const auto signed_by = DrillSignature::parse(block.hex("signature file"));
  ASSERT_TRUE(signed_by) << signed_by.error().message();
  EXPECT_EQ(to_hex(signed_by->certificate.key().bytes()), block.text("administrator's key"));
  EXPECT_TRUE(signed_by->verify(evidence));

  DrillReportBody report{.time_ms = 1'767'225'600'000,
                         .evidence = sha256(evidence),
                         .passed = 1,
                         .failed = 0,
                         .proof = block.hex("proof")};
  EXPECT_EQ(to_hex(report.claim()), block.text("report up to its proof"));
  const Sid sid = digest_of(block, "sid");
  EXPECT_EQ(tagged_hash("CPV1-CODE-OPENED", {sid, report.claim()}), digest_of(block, "digest of the proof"));
  const auto recovery = HpkePrivateKey::from_scalar(block.hex("recovery scalar"));
  ASSERT_TRUE(recovery);
  EXPECT_EQ(to_hex(recovery->public_key()), block.text("recovery_key"));
  EXPECT_TRUE(verify_code_opened(recovery->public_key(), sid, report));
  ++report.failed;
  EXPECT_FALSE(verify_code_opened(recovery->public_key(), sid, report));
}

}  // namespace
}  // namespace coprotect::protocol
