// The test vectors in VECTORS.md that are complete messages. Our code parses them, and computes the derived
// values.

#include <gtest/gtest.h>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/bundle/bundle.h"
#include "protocol/crypto/hash.h"
#include "protocol/file/encapsulation.h"
#include "protocol/handover/consent.h"
#include "protocol/handover/offer.h"
#include "protocol/handover/statements.h"
#include "protocol/message/client_list.h"
#include "protocol/message/key_list.h"
#include "protocol/message/log.h"
#include "protocol/recovery/recovery_part.h"
#include "protocol/testdata/document.h"
#include "protocol/testdata/fixed_random.h"
#include "protocol/testdata/oracle_read.h"

namespace coprotect::protocol {
namespace {

const Group& curve() {
  return group_of(SuiteId::p256);
}

Block vectors(const std::string& name) {
  return testdata::read_document("VECTORS.md", name);
}

// What a message's signature covers: a tag over SHA-256 of everything before the signature.
Digest signed_digest(std::string_view tag, ByteView message) {
  return tagged_hash(tag, {sha256(message.first(message.size() - std::tuple_size_v<Signature>))});
}

TEST(VectorsDocument, ACapsuleIsMadeOfItsExponents) {
  const Block block = vectors("capsule-p256");
  const Element m = element_of(curve(), block, "m");
  EXPECT_TRUE(curve().generator_power_secret(scalar_of(curve(), block, "rho")) == m);
  const Scalar s = scalar_of(curve(), block, "s");
  const PublicKey key = *PublicKey::make(curve().generator_power_secret(s));
  const Scalar r = scalar_of(curve(), block, "r");
  const Ciphertext c{.c1 = element_of(curve(), block, "c1"),
                     .u_bar = element_of(curve(), block, "ubar"),
                     .c2 = element_of(curve(), block, "c2"),
                     .e = digest_of(block, "e"),
                     .f = scalar_of(curve(), block, "f")};
  EXPECT_TRUE(curve().generator_power_secret(r) == c.c1);
  EXPECT_TRUE(curve().power_secret(key.g_bar(), r) == c.u_bar);
  EXPECT_TRUE(curve().multiply(m, curve().power_secret(key.h(), r)) == c.c2);
  EXPECT_EQ(c.capsule().c2_hash, digest_of(block, "SHA-256(c2)"));
  EXPECT_TRUE(scalar_of(curve(), block, "s of the proof") + r * Scalar::reduce(curve().scalars(), c.e) ==
              c.f);
  EXPECT_TRUE(verify(key, c.capsule(), digest_of(block, "L")));
}

// The key generation, and the only version after it.
std::pair<Bundle, Bytes> taken_apart(const Bytes& bundle) {
  Reader r(ByteView(bundle).subspan(5));
  auto generation = Bundle::parse(*r.lp4());
  EXPECT_EQ(r.u16(), 1);
  const ByteView version = *r.lp4();
  return {*std::move(generation), Bytes(version.begin(), version.end())};
}

TEST(VectorsDocument, OffersAndConsentsAreOfThePlan) {
  const Block block = vectors("handover-p256");
  const auto [before, version] = taken_apart(block.hex("bundle"));
  const auto plan = HandoverVersion::plan_of(version);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan_hash(*plan), digest_of(block, "SHA-256(plan)"));
  EXPECT_EQ(plan->sid(), digest_of(block, "sid"));
  EXPECT_EQ((*plan)->previous, digest_of(block, "previous"));
  EXPECT_EQ(before.newest_hash(), digest_of(block, "previous"));

  std::vector<HandoverOffer> offers;
  std::vector<Bytes> consents;
  for (const std::string i : {"1", "2"}) {
    const auto offer = HandoverOffer::parse(block.hex("offer " + i));
    ASSERT_TRUE(offer) << offer.error().message();
    EXPECT_EQ(offer->hash(), digest_of(block, "offer_hash " + i));
    // R = g^z · h_i^−c, with the document's challenge.
    const Bytes& proof = offer->proofs.front().proof;
    const Element r = *curve().parse(ByteView(proof).first(curve().element_size()));
    const Scalar z = *Scalar::parse(curve().scalars(), ByteView(proof).subspan(curve().element_size()));
    const Digest c = digest_of(block, "c of offer " + i);
    const Element& h_i = before.public_share(offer->proofs.front().index);
    EXPECT_TRUE(curve().generator_power_secret(z) == curve().multiply(r, curve().power_public(h_i, c)));
    offers.push_back(*offer);

    consents.push_back(block.hex("consent " + i));
    EXPECT_EQ(signed_digest("CPV1-CONSENT", consents.back()),
              digest_of(block, "signed digest of consent " + i));
  }
  const auto offered = check_offers(*plan, before.sharing(), offers);
  EXPECT_TRUE(offered) << offered.error().message();
  const auto consent = Consent::parse(consents.front());
  ASSERT_TRUE(consent);
  const std::int64_t then = consent->not_after_ms - kMaxConsentMs;
  const auto consented = check_consents(*plan, before.sharing(), consents, then);
  EXPECT_TRUE(consented) << consented.error().message();
  for (const char* const elsewhere :
       {"s_1", "sealed value 2 of dealer 1", "ceremony scalar 2", "open 1", "c of open 1", "open 2",
        "c of open 2", "f_1(2)", "h'_1", "h'_2", "h'_3", "parts_hash", "SHA-256(body)", "confirm digest",
        "possession digest", "active digest", "void digest"})
    block.text(elsewhere);
}

TEST(VectorsDocument, AVersionFollowsFromItsDeals) {
  const Block block = vectors("handover-p256");
  const auto [before, encoded] = taken_apart(block.hex("bundle"));
  EXPECT_TRUE(curve().generator_power_secret(scalar_of(curve(), block, "s_1")) == before.public_share(1));
  const auto version = HandoverVersion::parse(encoded, before.sharing(), before.newest_hash());
  ASSERT_TRUE(version) << version.error().message();
  const HandoverTranscript& transcript = version->transcript;
  const HandoverPlan& plan = transcript.plan();
  EXPECT_TRUE(plan.renews_code(before.sharing()));
  for (const std::uint8_t i : Bytes{1, 2}) {
    const std::string n = std::to_string(i);
    const auto open = PublicDeal::parse(block.hex("open " + n), plan);
    ASSERT_TRUE(open) << open.error().message();
    EXPECT_TRUE(open->check(plan, before.sharing()));
    const Digest c = digest_of(block, "c of open " + n);
    const Element expected = curve().multiply(open->proof_r, curve().power_public(before.public_share(i), c));
    EXPECT_TRUE(curve().generator_power_secret(open->proof_z) == expected);
  }
  const auto key = HpkePrivateKey::from_scalar(block.hex("ceremony scalar 2"));
  ASSERT_TRUE(key);
  const Party& holder = plan->parameters->parties[plan->parameters.holder_of(2)];
  const auto value = key->open(block.hex("sealed value 2 of dealer 1"), handover_seal_info(plan.sid()),
                               handover_seal_aad(1, 2, holder));
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(to_hex(value->reveal()), block.text("f_1(2)"));
  for (const std::uint8_t j : Bytes{1, 2, 3})
    EXPECT_TRUE(transcript.sharing().public_share(j) ==
                element_of(curve(), block, "h'_" + std::to_string(j)));
  EXPECT_EQ(transcript.sharing().recovery->parts_hash, digest_of(block, "parts_hash"));
  const Digest body = digest_of(block, "SHA-256(body)");
  EXPECT_EQ(transcript.hash(), body);
  EXPECT_EQ(tagged_hash("CPV1-HANDOVER-CONFIRM", {body}), digest_of(block, "confirm digest"));
  EXPECT_EQ(tagged_hash("CPV1-RECOVERY-KEY", {plan.sid(), plan->blob_hash}),
            digest_of(block, "possession digest"));
  EXPECT_EQ(tagged_hash("CPV1-HANDOVER-ACTIVE", {plan.sid(), body}), digest_of(block, "active digest"));
  EXPECT_EQ(tagged_hash("CPV1-HANDOVER-VOID", {plan.sid()}), digest_of(block, "void digest"));
  for (const char* const elsewhere :
       {"offer 1", "offer 2", "consent 1", "consent 2", "SHA-256(plan)", "sid", "previous", "offer_hash 1",
        "offer_hash 2", "c of offer 1", "c of offer 2", "signed digest of consent 1",
        "signed digest of consent 2"})
    block.text(elsewhere);
}

TEST(VectorsDocument, ARecoveryPartIsMadeOfItsRandomBytes) {
  const Block block = vectors("recovery-part-p256");
  const auto recovery = HpkePrivateKey::from_scalar(block.hex("recovery scalar"));
  ASSERT_TRUE(recovery);
  EXPECT_EQ(to_hex(recovery->public_key()), block.text("recovery_key"));
  const Scalar a_0 = scalar_of(curve(), block, "a_0");
  const Scalar a_1 = scalar_of(curve(), block, "a_1");
  const Scalar value = a_0 + a_1 + a_1 + a_1;
  EXPECT_EQ(to_hex(value.bytes().reveal()), block.text("f_2(3)"));
  EXPECT_TRUE(curve().generator_power_secret(value) == element_of(curve(), block, "F"));
  const RecoveryStatement statement{
      .sid = digest_of(block, "sid"),
      .dealer = 2,
      .index = 3,
      .recovery_key = recovery->public_key(),
      .commitments = {curve().generator_power_secret(a_0), curve().generator_power_secret(a_1)}};
  const Digest s = statement.hash();
  EXPECT_EQ(s, digest_of(block, "S"));

  FixedRandom random(block.hex("random bytes"));
  const auto part = RecoveryPart::make(statement, value, random);
  ASSERT_TRUE(part) << part.error().message();
  EXPECT_TRUE(random.used_up());
  EXPECT_EQ(sha256(part->encoded()), digest_of(block, "SHA-256(part)"));
  EXPECT_EQ(to_hex(ByteView(part->encoded()).subspan(5, 16)), block.text("e"));
  EXPECT_TRUE(part->check(statement, system_random()));
  EXPECT_TRUE(*part->open(statement, *recovery) == value);

  // Its first round, step by step.
  Writer info;
  info.literal("CPV1-PVE-ROOT").bytes(s);
  const Secret root = hkdf_sha256(block.hex("random bytes"), value.bytes().reveal(), info.view(), 32);
  EXPECT_EQ(to_hex(root.reveal()), block.text("root"));
  const std::uint8_t one = 1;
  const Secret seed = hkdf_expand_sha256(root.reveal(), ByteView(&one, 1), 32);
  EXPECT_EQ(to_hex(seed.reveal()), block.text("seed_1"));
  Writer message;
  message.bytes(seed.reveal()).bytes(s).u8(one);
  const Scalar r_1 = curve().hash_to_scalar(message.view(), "CPV1-PVE-R");
  EXPECT_TRUE(r_1 == scalar_of(curve(), block, "r_1"));
  EXPECT_TRUE(curve().generator_power_secret(r_1) == element_of(curve(), block, "R_1"));
  const Digest ikm = tagged_hash("CPV1-PVE-EPH", {seed.reveal(), s, ByteView(&one, 1)});
  EXPECT_EQ(ikm, digest_of(block, "input of DeriveKeyPair"));
  const Bytes sealed = block.hex("E_1");
  const auto ephemeral = HpkePrivateKey::derive(ikm).public_key();
  EXPECT_EQ(to_hex(ephemeral), to_hex(ByteView(sealed).first(ephemeral.size())));
  // Round 1 is the first that the challenge left closed.
  EXPECT_EQ(block.text("first closed k"), "01");
  const Bytes v_1 = block.hex("v_k");
  const ByteView round = ByteView(part->encoded()).subspan(21);
  EXPECT_EQ(to_hex(round.first(v_1.size())), to_hex(v_1));
  EXPECT_EQ(to_hex(round.subspan(v_1.size(), sealed.size())), to_hex(sealed));
}

TEST(VectorsDocument, ALogIsAChain) {
  const Block block = vectors("log-p256");
  const Bytes one = block.hex("entry 1");
  const Bytes two = block.hex("entry 2");
  const auto first = LogEntry::parse(one);
  const auto second = LogEntry::parse(two);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->encode(), one);
  EXPECT_EQ(second->encode(), two);
  ASSERT_TRUE(first->handover);
  EXPECT_EQ(first->handover->step, block.hex("step 1").at(0));
  EXPECT_EQ(first->handover->sid, digest_of(block, "sid 1"));
  EXPECT_EQ(first->handover->payload, digest_of(block, "SHA-256(payload) 1"));
  EXPECT_EQ(second->reason, text_of(block.hex("reason 2")));

  Digest chain{};
  int number = 0;
  for (const Digest& hash : {sha256(one), sha256(two), digest_of(block, "SHA-256(entry 3)")}) {
    chain = chain_next(chain, hash);
    EXPECT_EQ(chain, digest_of(block, "chain_" + std::to_string(++number)));
  }
  const Bytes encoded = block.hex("head");
  const auto head = LogHead::parse(encoded);
  ASSERT_TRUE(head) << head.error().message();
  EXPECT_EQ(head->seq, 3u);
  EXPECT_EQ(head->chain, chain);
  EXPECT_EQ(to_hex(head->identity_key), block.text("identity_key"));
  EXPECT_EQ(signed_digest("CPV1-HEAD", encoded), digest_of(block, "signed digest of head"));
}

TEST(VectorsDocument, ListsAreSignedByTheClientCa) {
  const Block block = vectors("lists-p256");
  const auto ca = Certificate::parse_der(block.hex("client CA"));
  ASSERT_TRUE(ca) << ca.error().message();
  EXPECT_EQ(to_hex(ca->key().bytes()), block.text("client CA's key"));
  const Digest alice = digest_of(block, "SHA-256(SubjectPublicKeyInfo)");
  EXPECT_EQ(sha256(block.hex("SubjectPublicKeyInfo of alice")), alice);

  const Bytes encoded_clients = block.hex("client list");
  const auto clients = ClientList::parse(encoded_clients, *ca);
  ASSERT_TRUE(clients) << clients.error().message();
  EXPECT_EQ(clients->serial, Reader(block.hex("serial of clients")).u64());
  EXPECT_EQ(clients->clients.size(), 2u);
  EXPECT_EQ(clients->clients.at(alice), "coprotect:acme:user:alice");
  EXPECT_EQ(signed_digest("CPV1-CLIENTS", encoded_clients), digest_of(block, "signed digest of client list"));

  const Bytes encoded_keys = block.hex("key list");
  const auto keys = KeyList::parse(encoded_keys, *ca);
  ASSERT_TRUE(keys) << keys.error().message();
  EXPECT_EQ(keys->serial, Reader(block.hex("serial of keys")).u64());
  ASSERT_EQ(keys->keys.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string n = " " + std::to_string(i + 1);
    EXPECT_EQ(keys->keys[i].key_id, digest_of(block, "key_id" + n));
    EXPECT_EQ(static_cast<std::uint8_t>(keys->keys[i].use), block.hex("state" + n).at(0));
    EXPECT_EQ(static_cast<std::uint64_t>(keys->keys[i].effective_ms),
              Reader(block.hex("effective time" + n)).u64());
  }
  EXPECT_EQ(signed_digest("CPV1-KEYS", encoded_keys), digest_of(block, "signed digest of key list"));
}

TEST(VectorsDocument, AnEncapsulationGivesItsSecret) {
  const Block block = vectors("kem-p256");
  const KeyId key_id = digest_of(block, "key_id");
  const auto header = parse_encapsulation(block.hex("ENCAPSULATION"), key_id);
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(to_hex(header->core().file_nonce), block.text("file_nonce"));
  const PublicKey key = *PublicKey::make(curve().generator_power_secret(scalar_of(curve(), block, "s")));
  EXPECT_TRUE(key.h() == element_of(curve(), block, "h"));
  const Ciphertext& c = header->stanzas().front().ciphertext;
  EXPECT_TRUE(verify(key, c.capsule(), stanza_label(header->core_hash(), kStanzaTdh2, key_id)));
  // r and the proof's s make the stanza.
  const Scalar r = scalar_of(curve(), block, "r");
  EXPECT_TRUE(curve().generator_power_secret(r) == c.c1);
  EXPECT_TRUE(scalar_of(curve(), block, "s of the proof") + r * Scalar::reduce(curve().scalars(), c.e) ==
              c.f);
  const Element m = element_of(curve(), block, "m");
  EXPECT_TRUE(curve().generator_power_secret(scalar_of(curve(), block, "rho")) == m);
  const auto file_key = header->unlock(m);
  ASSERT_TRUE(file_key) << file_key.error().message();
  EXPECT_EQ(to_hex(file_key->reveal()), block.text("FK"));
  EXPECT_EQ(to_hex(encapsulated_secret(*file_key).reveal()), block.text("S"));
}

}  // namespace
}  // namespace coprotect::protocol
