// Our code's output, checked by the oracle (oracle/verify_vectors.py).

#include <gtest/gtest.h>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/bundle/bundle.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/dealer.h"
#include "protocol/file/body.h"
#include "protocol/file/encapsulation.h"
#include "protocol/handover/test_handover.h"
#include "protocol/recovery/code.h"
#include "protocol/recovery/kit.h"
#include "protocol/recovery/recovery_part.h"
#include "protocol/testdata/oracle_write.h"
#include "protocol/threshold/shamir.h"
#include "protocol/x509/issue.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::protocol {
namespace {

using namespace std::chrono_literals;

void write_tdh2(Blocks& blocks, const Group& group) {
  const Polynomial polynomial = Polynomial::random(group, 2, system_random());
  const PublicKey key = *PublicKey::make(group.generator_power_secret(polynomial.constant()));
  const Element m = group.random_message(system_random());
  const Digest label = random_digest();
  const Digest key_id = random_digest();
  const Digest request_hash = random_digest();
  const Ciphertext c = encrypt(key, m, label, system_random());
  blocks.text("Type", "tdh2").text("Suite", suite_name(group.suite())).hex("H", key.h().encode());
  blocks.hex("M", m.encode()).hex("Label", label).hex("KeyId", key_id).text("Epoch", "3");
  blocks.hex("RequestHash", request_hash).hex("C1", c.c1.encode()).hex("UBar", c.u_bar.encode());
  blocks.hex("C2", c.c2.encode()).hex("E", c.e).hex("F", c.f.bytes().reveal());
  for (std::uint8_t i = 1; i <= 3; ++i) {
    const std::string n = std::to_string(i);
    const Scalar share = polynomial.at(i);
    const Digest context = partial_context(group.suite(), key_id, 3, i, request_hash);
    const PartialSet set = compute_partials(share, group.generator_power_secret(share), std::span(&c.c1, 1),
                                            context, system_random());
    blocks.hex("Share" + n, share.bytes().reveal()).hex("K" + n, set.values[0].encode());
    blocks.proof("Proof" + n, set.proof);
  }
  blocks.end();
}

void write_batch(Blocks& blocks, const Group& group) {
  const Scalar share = Scalar::random(group.scalars(), system_random());
  std::vector<Element> bases;
  for (int i = 0; i < 5; ++i) bases.push_back(group.random_message(system_random()));
  const Digest key_id = random_digest();
  const Digest request_hash = random_digest();
  const Digest context = partial_context(group.suite(), key_id, 1, 2, request_hash);
  const PartialSet set =
      compute_partials(share, group.generator_power_secret(share), bases, context, system_random());
  blocks.text("Type", "batch")
      .text("Suite", suite_name(group.suite()))
      .hex("KeyId", key_id)
      .text("Epoch", "1");
  blocks.text("Index", "2").hex("RequestHash", request_hash).hex("Share", share.bytes().reveal());
  blocks.elements("Bases", bases).elements("Values", set.values).proof("Proof", set.proof).end();
}

void write_file(Blocks& blocks, const Group& group, std::size_t size) {
  const Scalar secret = Scalar::random(group.scalars(), system_random());
  const PublicKey key = *PublicKey::make(group.generator_power_secret(secret));
  const Digest key_id = random_digest();
  const auto [header, file_key] = *Header::create(key, key_id, Bytes{}, system_random());
  const Ciphertext& c = (*header.stanza_for(key_id))->ciphertext;
  const std::vector<IndexedPartial> whole = {{1, group.power_secret(c.c1, secret)}};
  const Element m = *combine(c.c2, whole);

  const BodyKey body_key = BodyKey::create(file_key, header.core_hash(), system_random());
  ChunkCipher cipher(body_key, ChunkCipher::Direction::seal);
  Bytes file(header.encoded().begin(), header.encoded().end());
  file.insert(file.end(), body_key.prefix().begin(), body_key.prefix().end());
  for (std::size_t at = 0; at <= size; at += kChunkSize) {
    Bytes plain(std::min(kChunkSize, size - at));
    for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<std::uint8_t>((at + i) % 251);
    Bytes sealed(plain.size() + kAeadTagSize);
    cipher.seal(at / kChunkSize, plain, sealed);
    file.insert(file.end(), sealed.begin(), sealed.end());
  }
  blocks.text("Type", "file").text("Suite", suite_name(group.suite())).hex("H", key.h().encode());
  blocks.hex("KeyId", key_id).hex("M", m.encode()).hex("FileKey", file_key.reveal()).text("Policy", "");
  blocks.text("PlaintextSize", std::to_string(size)).hex("File", file).end();
}

void write_encapsulation(Blocks& blocks, const Group& group) {
  const Scalar secret = Scalar::random(group.scalars(), system_random());
  const PublicKey key = *PublicKey::make(group.generator_power_secret(secret));
  const Digest key_id = random_digest();
  const Encapsulated made = encapsulate(key, key_id, system_random());
  const auto header = parse_encapsulation(made.encapsulation, key_id);
  const Ciphertext& c = header->stanzas().front().ciphertext;
  const std::vector<IndexedPartial> whole = {{1, group.power_secret(c.c1, secret)}};
  blocks.text("Type", "encapsulation").text("Suite", suite_name(group.suite())).hex("H", key.h().encode());
  blocks.hex("KeyId", key_id).hex("M", combine(c.c2, whole)->encode()).hex("Secret", made.secret.reveal());
  blocks.hex("Encapsulation", made.encapsulation).end();
}

Certificate self_signed(const std::string& name, CertificateUse use, const SigningKey& key,
                        std::vector<std::string> uris = {}) {
  return *issue_certificate({.common_name = name,
                             .use = use,
                             .uris = std::move(uris),
                             .hosts = {},
                             .not_before_ms = kNow,
                             .not_after_ms = kLater},
                            key.public_key(), nullptr, key, system_random());
}

void write_recovery(Blocks& blocks, const Group& group) {
  const Secret code = generate_code(system_random());
  const HpkePrivateKey hpke = HpkePrivateKey::generate(system_random());
  const KeyId key_id = random_digest();
  const auto [blob, recovery_key] =
      *RecoveryBlob::seal(*read_code(code.reveal()), key_id, group.suite(), hpke, system_random());
  const SigningKey administrator = SigningKey::generate(system_random());
  const Certificate certificate =
      self_signed("ada", CertificateUse::client, administrator, {"coprotect:acme:recovery:ada"});
  // Present in the kit of a company's first key, absent in that of a further one.
  std::optional<SigningKey> client_ca;
  if (group.suite() == SuiteId::p256) client_ca = SigningKey::generate(system_random());
  const RecoveryKit kit = RecoveryKit::seal(Bytes{1, 2, 3}, blob, certificate.der(), administrator,
                                            client_ca ? &*client_ca : nullptr, recovery_key, system_random());
  blocks.text("Type", "recovery")
      .text("Suite", suite_name(group.suite()))
      .text("Code", text_of(code.reveal()));
  blocks.hex("KeyId", key_id);
  blocks.hex("HpkeScalar", hpke.scalar().reveal()).hex("Blob", blob.encoded()).hex("Kit", kit.encode());
  blocks.hex("KitKey", administrator.scalar().reveal());
  blocks.text("KitClientCa", client_ca ? to_hex(client_ca->scalar().reveal()) : "").end();
}

void write_recovery_part(Blocks& blocks, const Group& group) {
  const Polynomial polynomial = Polynomial::random(group, 3, system_random());
  const HpkePrivateKey recovery = HpkePrivateKey::generate(system_random());
  const RecoveryStatement statement{.sid = random_digest(),
                                    .dealer = 4,
                                    .index = 5,
                                    .recovery_key = recovery.public_key(),
                                    .commitments = polynomial.commitments()};
  const Scalar value = polynomial.at(5);
  blocks.text("Type", "recovery-part").text("Suite", suite_name(group.suite())).hex("Sid", statement.sid);
  blocks.text("Dealer", "4").text("Index", "5").hex("RecoveryScalar", recovery.scalar().reveal());
  blocks.elements("Commitments", statement.commitments).hex("Value", value.bytes().reveal());
  blocks.hex("Part", RecoveryPart::make(statement, value, system_random())->encoded()).end();
}

void write_dkg(Blocks& blocks, SuiteId suite) {
  const HpkePrivateKey recovery_key = HpkePrivateKey::generate(system_random());
  const SigningKey ca = SigningKey::generate(system_random());
  std::vector<SigningKey> identities;
  std::vector<HpkePrivateKey> ceremony_keys;
  std::vector<Party> parties;
  for (std::uint8_t i = 0; i < 3; ++i) {
    identities.push_back(SigningKey::generate(system_random()));
    ceremony_keys.push_back(i < 2 ? HpkePrivateKey::generate(system_random())
                                  : *HpkePrivateKey::from_scalar(recovery_key.scalar().reveal()));
    const std::string name = std::vector<std::string>{"cloud", "company", "recovery"}[i];
    const bool agent = i < 2;
    parties.push_back(
        {.name = name,
         .indices = {static_cast<std::uint8_t>(i + 1)},
         .nonce = random_digest(),
         .identity_key = identities[i].public_key(),
         .ceremony_key = ceremony_keys[i].public_key(),
         .mode = agent ? KeeperMode::sealed : KeeperMode::not_an_agent,
         .url = agent ? "https://127.0.0.1:8443" : "",
         .identity_certificate =
             agent ? std::optional(self_signed(name, CertificateUse::authority, identities[i]))
                   : std::nullopt,
         .organisation =
             agent ? *OrganisationCertificate::issue(OrganisationKind::agent, name,
                                                     i == 0 ? identities[i] : ca, identities[i].public_key())
                   : *OrganisationCertificate::issue_recovery(name, ca, recovery_key.public_key())});
  }
  const Parameters parameters =
      *Parameters::make({.suite = suite,
                         .purpose = Purpose::envelope,
                         .t = 2,
                         .n = 3,
                         .tenant = "acme",
                         .parties = parties,
                         .client_ca = self_signed("acme client CA", CertificateUse::authority, ca),
                         .recovery_key = recovery_key.public_key()});
  std::vector<Dealer> dealers;
  std::vector<Bytes> commits;
  std::vector<Bytes> reveals;
  std::vector<Bytes> deals;
  std::vector<Bytes> confirms;
  const Secret holder = ceremony_keys[1].scalar().clone();
  const Secret recovery_scalar = ceremony_keys[2].scalar().clone();
  for (std::size_t i = 0; i < 3; ++i)
    dealers.push_back(
        *Dealer::start(parameters, i, identities[i], std::move(ceremony_keys[i]), system_random()));
  for (auto& dealer : dealers) commits.push_back(dealer.commit());
  for (auto& dealer : dealers) reveals.push_back(*dealer.reveal(commits));
  for (auto& dealer : dealers) deals.push_back(*dealer.deal(reveals));
  std::vector<Dealer::Outcome> outcomes;
  for (auto& dealer : dealers) outcomes.push_back(*dealer.receive(deals));
  for (std::size_t i = 0; i < 3; ++i) confirms.push_back(confirm(outcomes[i].transcript, i, identities[i]));
  const Bundle bundle = *Bundle::assemble(outcomes[0].transcript, confirms);

  blocks.text("Type", "dkg").text("Suite", suite_name(suite)).hex("Sid", parameters.sid());
  blocks.hex("KeyId", bundle.key_id())
      .hex("H", bundle.public_key().h().encode())
      .hex("Bundle", bundle.encoded());
  for (std::uint8_t j = 1; j <= 2; ++j)
    blocks.hex("Share" + std::to_string(j), outcomes[j - 1u].shares.at(j).bytes().reveal());
  const RecoveryParts& parts = outcomes[0].parts.value();
  const auto recovery = HpkePrivateKey::from_scalar(recovery_scalar.reveal());
  blocks.hex("Share3", must(parts.open(*recovery, bundle.sharing())).bytes().reveal());
  blocks.hex("Parts", parts.encoded()).hex("CeremonyKey2", recovery_scalar.reveal());
  const auto deal = *CeremonyMessage::parse(deals[0], Round::deal, parameters);
  blocks.hex("Deal0", deal.body).hex("CeremonyKey1", holder.reveal());
  // The dealt share itself, as its holder reads it.
  Reader reader(deal.body);
  EXPECT_EQ(reader.u8(), 2);  // indices 2 and 3
  EXPECT_EQ(reader.u8(), 2);
  Writer info;
  info.literal("CPV1-DEAL").bytes(parameters.sid());
  Writer aad;
  aad.u8(0).u8(2).bytes(identities[1].public_key().bytes());
  const Secret dealt =
      *HpkePrivateKey::from_scalar(holder.reveal())->open(*reader.lp(), info.view(), aad.view());
  blocks.hex("Dealt02", dealt.reveal()).end();
}

// Runs the handover and writes what the oracle reads about it.
void write_version(Blocks& blocks, const std::string& number, test::TestKey& key,
                   const test::TestHandover& handover) {
  const auto deals = handover.deal();
  const auto made = must(handover.transcript(deals));
  const Bytes version = HandoverVersion::encode(made, handover.confirm(made));
  const HandoverPlan& plan = handover.plan;
  Writer encoded_offers;
  for (const HandoverOffer& offer : handover.offers()) encoded_offers.lp4(offer.encode());
  Writer encoded_deals;
  for (const Deal& deal : deals) encoded_deals.lp4(deal.encode());
  std::string shares;
  std::map<std::uint8_t, Scalar> received;
  for (std::uint8_t j = 1; j <= plan->parameters->n; ++j) {
    Scalar share = must(handover.receive(made, deals, j));
    shares += to_hex(share.bytes().reveal());
    received.emplace(j, std::move(share));
  }
  std::string keys;
  for (std::size_t i = 0; i < plan->parameters->parties.size(); ++i) {
    const HpkePrivateKey& own =
        plan.recovery_party() == i ? handover.recovery_key() : handover.ceremony_keys[i];
    keys += to_hex(own.scalar().reveal());
  }
  const SigningKey& first = handover.identity(plan->parameters->parties.front().name);
  blocks.hex("Sid" + number, plan.sid()).hex("Offers" + number, encoded_offers.view());
  blocks.hex("Deals" + number, encoded_deals.view());
  blocks.text("CeremonyKeys" + number, keys).text("Shares" + number, shares);
  blocks.hex("BlobHash" + number, plan->blob_hash);
  blocks.hex("Parts" + number, must(handover.parts(made, deals)).encoded());
  blocks.hex("Active" + number, acknowledge_handover(plan.sid(), made.hash(), first));
  blocks.hex("Void" + number, void_handover(plan.sid(), first));
  key.bundle = must(key.bundle.followed_by(version));
  key.shares = std::move(received);
}

// A refresh while the recovery party is absent, then other parties with a new recovery party.
void write_handover(Blocks& blocks, SuiteId suite) {
  auto key = test::TestKey::generate(suite);
  blocks.text("Type", "handover").text("Suite", suite_name(suite));
  write_version(blocks, "1", key, test::TestHandover(key, test::default_layout(), {1, 2}));
  const test::Layout larger{
      3, {{"cloud", {2}}, {"company", {1, 4}}, {"cloud-b", {3}}, {"company-b", {6}}, {"recovery", {5}}}};
  write_version(blocks, "2", key, test::TestHandover(key, larger, {2, 3}, true));
  blocks.hex("H", key.bundle.public_key().h().encode()).hex("Bundle", key.bundle.encoded()).end();
}

TEST(Oracle, AcceptsWhatIsMadeHere) {
  const harness::Scratch scratch;
  const auto file = scratch / "made.vec";
  {
    Blocks blocks(file);
    for (const SuiteId suite : kAllSuites) {
      write_tdh2(blocks, group_of(suite));
      write_batch(blocks, group_of(suite));
      write_recovery_part(blocks, group_of(suite));
    }
    for (const SuiteId suite : {SuiteId::p256, SuiteId::ffdhe3072}) {
      for (const std::size_t size : {std::size_t{0}, kChunkSize - 1, kChunkSize, 2 * kChunkSize + 7})
        write_file(blocks, group_of(suite), size);
      write_encapsulation(blocks, group_of(suite));
      write_recovery(blocks, group_of(suite));
      write_dkg(blocks, suite);
      write_handover(blocks, suite);
      write_request(blocks, group_of(suite));
      write_derive(blocks, group_of(suite));
      write_chain(blocks, group_of(suite));
      write_log(blocks, group_of(suite));
      write_status(blocks, group_of(suite));
    }
  }
  const auto verify = std::string(COPROTECT_SOURCE_DIR) + "/protocol/testdata/oracle/verify_vectors.py";
  const auto run = harness::Command("/usr/bin/python3").args({"-B", verify, file.string()}).run(180s);
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_EQ(run.out, "38 blocks hold\n");
}

}  // namespace
}  // namespace coprotect::protocol
