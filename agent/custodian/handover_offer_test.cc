#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/onboarding.h"

// Thieves who ask an agent to deal to keys of their own. An agent that did would give its share away: whoever
// reads t values of its polynomial has it, because t points make a polynomial of degree t − 1. The tests
// compute what a thief would get. That an agent refuses to deal is all that keeps it from the thief.
namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverOffer;
using protocol::HpkePrivateKey;
using protocol::Scalar;
using protocol::SigningKey;
using protocol::SuiteId;
using testing::HandoverTool;
using testing::kHourMs;
using testing::NewHolders;
using testing::TestAgent;

class Thief : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  Thief() : HandoverFixture(GetParam()) {}

  // Puts keys of the thief's in place of all agents' but the dealer's, in the plan and in the offers.
  void put_own_keys(HandoverTool& tool, const TestAgent& dealer) {
    keys.clear();
    auto& parties = tool.fields().parties;
    for (std::size_t i = 0; i < tool.offers.size(); ++i) {
      if (parties[i].identity_key == dealer.identity_key()) continue;
      HpkePrivateKey key = HpkePrivateKey::generate(system_random());
      parties[i].ceremony_key = key.public_key();
      tool.offers[i].ceremony_key = key.public_key();
      keys.emplace(parties[i].indices.front(), std::move(key));
    }
  }
  // The dealer's share, from t of the values that it dealt to keys of the thief's.
  Scalar share_behind(const HandoverTool& tool, const Result<Bytes>& dealt) const {
    const auto& plan = tool.the_plan();
    const Bytes encoded = must(protocol::MessageList::parse(must(dealt))).messages.at(0);
    const auto deal = must(protocol::Deal::parse(encoded, plan));
    std::map<std::uint8_t, Scalar> values;
    for (const auto& [index, key] : keys)
      if (values.size() < plan->parameters->t)
        values.emplace(index, must(protocol::open_dealt_value(plan, deal, index, key)));
    return must(protocol::combine_dealt_values(bundle.group(), values));
  }
  bool make_the_private_key(const std::map<std::uint8_t, Scalar>& shares) const {
    const Scalar key = must(protocol::combine_dealt_values(bundle.group(), shares));
    return bundle.group().generator_power_secret(key) == bundle.sharing().h;
  }
  // The key gets these holders, with everybody's approval.
  void hand_over_to(const NewHolders& holders) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, holders, {1, 2});
    tool.approve(pair.cloud);
    tool.approve(pair.company);
    tool.run();
    bundle = tool.bundle();
    for (const auto& [agent, index] : holders.agents)
      if (agent != &pair.cloud && agent != &pair.company) enrol_at(*agent);
  }
  // With an administrator's certificate and nothing else: one request to deal at each of t agents.
  void steal_from(const NewHolders& holders) {
    std::vector<TestAgent*> present;
    std::vector<std::uint8_t> dealers;
    for (const auto& [agent, index] : holders.agents) {
      present.push_back(agent);
      if (dealers.size() < holders.t) dealers.push_back(index);
    }
    std::map<std::uint8_t, Scalar> stolen;
    for (std::size_t i = 0; i < dealers.size(); ++i) {
      HandoverTool tool(bundle, present, pair.admin, holders, dealers);
      tool.offer();
      put_own_keys(tool, *present[i]);
      tool.plan();
      const auto dealt = tool.deal_at(*present[i]);
      EXPECT_EQ(code_of(dealt), "unauthenticated") << present[i]->role();
      if (dealt) stolen.emplace(dealers[i], share_behind(tool, dealt));
    }
    const bool stole_it = stolen.size() == dealers.size() && make_the_private_key(stolen);
    EXPECT_FALSE(stole_it);
  }
  // A request to deal to the cloud agent, of a refresh in which the company's offer is changed.
  Result<Bytes> deal_with(const std::function<void(HandoverTool&, HandoverOffer&)>& change) {
    HandoverTool tool = refresh();
    tool.offer();
    change(tool, tool.offers[1]);
    tool.plan();
    return tool.deal_at(pair.cloud);
  }

  std::map<std::uint8_t, HpkePrivateKey> keys;  // the thief's, by the index whose holder they replace
};
INSTANTIATE_TEST_SUITE_P(Suites, Thief, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

// Whoever has kit and code opens what is dealt to the recovery key, too. So f(2) and f(3) make f(0), which is
// the dealer's share, and with the kit's own share that is the private key. What changes holders a recovery
// administrator has to announce; this changes none.
TEST_P(Thief, OfTheKitGetsNoShareOfAnAgent) {
  for (TestAgent* const dealer : {&pair.cloud, &pair.company}) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.rescuer, same_holders(), {1, 2});
    tool.offer();
    put_own_keys(tool, *dealer);
    tool.plan();
    const auto dealt = tool.deal_at(*dealer);
    EXPECT_EQ(code_of(dealt), "unauthenticated");
    if (!dealt) continue;
    keys.emplace(3, must(HpkePrivateKey::from_scalar(pair.tool.recovery_key().scalar().reveal())));
    std::map<std::uint8_t, Scalar> shares;
    shares.emplace(dealer == &pair.cloud ? 1 : 2, share_behind(tool, dealt));
    shares.emplace(3, pair.tool.recovery_share().clone());
    EXPECT_FALSE(make_the_private_key(shares)) << "stolen from " << dealer->role();
  }
}

// Who tried what is found later: the step, the plan, and the hash of all that was sent.
TEST_P(Thief, LeavesStepPlanAndPayloadInTheLog) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.rescuer, same_holders(), {1, 2});
  tool.offer();
  put_own_keys(tool, pair.cloud);
  tool.plan();
  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "unauthenticated");
  const protocol::DealRequest sent{.plan = tool.the_plan().encoded(),
                                   .offers = tool.offers,
                                   .consents = tool.consents,
                                   .recovery_proof = tool.recovery_proof};
  const auto log = testing::read_log(pair.cloud, bundle, pair.admin);
  const auto is_deal = [](const protocol::LogEntry& entry) {
    return entry.handover && entry.handover->step == static_cast<std::uint8_t>(protocol::HandoverStep::deal);
  };
  std::vector<protocol::LogEntry> entries;
  std::ranges::copy_if(log, std::back_inserter(entries), is_deal);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].kind, protocol::EntryKind::intent);
  EXPECT_EQ(entries[1].kind, protocol::EntryKind::result);
  EXPECT_EQ(entries[1].outcome, "unauthenticated");
  for (const protocol::LogEntry& entry : entries) {
    EXPECT_EQ(entry.client, pair.rescuer.uri);
    EXPECT_EQ(entry.handover->sid, tool.sid());
    EXPECT_EQ(entry.handover->payload, protocol::sha256(sent.encode()));
  }
}

TEST_P(Thief, OfAnAdministratorsCertificateGetsNoShareOfFourAgents) {
  const auto third = another("cloud-b");
  const auto fourth = another("company-b");
  const NewHolders holders{
      .t = 3,
      .agents = {{&pair.cloud, 1}, {&pair.company, 2}, {third.get(), 3}, {fourth.get(), 4}},
      .recovery = 5};
  hand_over_to(holders);
  steal_from(holders);
}

TEST_P(Thief, OfAnAdministratorsCertificateGetsNoShareOfThreeAgents) {
  const auto third = another("cloud-b");
  const NewHolders holders{
      .t = 2, .agents = {{&pair.cloud, 1}, {&pair.company, 2}, {third.get(), 3}}, .recovery = 4};
  hand_over_to(holders);
  steal_from(holders);
}

// With the identity key of an agent, but not its share. In a refresh nobody would have to consent to that,
// and what the thief was dealt would be the agent's next share.
TEST_P(Thief, OfAnIdentityKeyIsDealtNothing) {
  const SigningKey stolen = pair.company.stolen_identity();
  const protocol::HeldShare second{bundle.key_id(), 0, 2, bundle.public_share(2)};
  const auto own_key = [&](HandoverTool& tool, HandoverOffer& offer) {
    offer.ceremony_key = HpkePrivateKey::generate(system_random()).public_key();
    tool.fields().parties[1].ceremony_key = offer.ceremony_key;
    offer.sign(stolen);
  };
  const auto code_with = [&](auto proofs) {
    return code_of(deal_with([&](HandoverTool& tool, HandoverOffer& offer) {
      own_key(tool, offer);
      proofs(offer);
    }));
  };
  EXPECT_EQ(code_with([](HandoverOffer&) {}), "bad-proof");  // the agent's own proof, of what it offered
  EXPECT_EQ(code_with([](HandoverOffer& offer) { offer.proofs.clear(); }), "bad-proof");
  EXPECT_EQ(code_with([&](HandoverOffer& offer) {  // another share, which the thief of a kit has
              const protocol::HeldShare third{bundle.key_id(), 0, 3, bundle.public_share(3)};
              offer.proofs = {prove_share(offer.hash(), third, pair.tool.recovery_share(), system_random())};
            }),
            "bad-proof");
  EXPECT_EQ(code_with([&](HandoverOffer& offer) {  // the same, said to be the agent's
              offer.proofs = {prove_share(offer.hash(), second, pair.tool.recovery_share(), system_random())};
            }),
            "bad-proof");
}

// Offers that an agent did make, but not for this.
TEST_P(Thief, ReplaysNoOffer) {
  const auto use = [](HandoverTool& tool, const HandoverOffer& offer) {
    tool.offers[1] = offer;
    auto& party = tool.fields().parties[1];
    party.nonce = offer.nonce;
    party.ceremony_key = offer.ceremony_key;
  };
  const auto code_with = [&](const HandoverOffer& replayed) {
    return code_of(deal_with([&](HandoverTool& tool, HandoverOffer&) { use(tool, replayed); }));
  };
  // Of another key of the same agents.
  testing::Tool generation({&pair.cloud, &pair.company}, pair.acme, GetParam());
  generation.run();
  HandoverTool of_other_key(generation.bundle(), {&pair.cloud, &pair.company}, pair.admin, same_holders(),
                            {1, 2});
  of_other_key.offer();
  EXPECT_EQ(code_with(of_other_key.offers[1]), "conflict");
  // Of another agent.
  EXPECT_EQ(code_of(deal_with(
                [](HandoverTool& tool, HandoverOffer&) { std::swap(tool.offers[0], tool.offers[1]); })),
            "conflict");
  EXPECT_EQ(
      code_of(deal_with([](HandoverTool& tool, HandoverOffer&) { tool.offers.push_back(tool.offers[1]); })),
      "malformed");
  EXPECT_EQ(code_of(deal_with([](HandoverTool& tool, HandoverOffer&) { tool.offers.pop_back(); })),
            "malformed");

  // One that its maker has forgotten: it is dealt to, at a key that nobody has any more, and the handover
  // comes to nothing.
  HandoverTool forgotten = refresh();
  forgotten.offer();
  reopen(pair.company);
  HandoverTool tool = refresh();
  tool.offer();
  use(tool, forgotten.offers[1]);
  EXPECT_NE(forgotten.offers[1].boot_nonce,
            must(HandoverOffer::parse(must(tool.offer_at(pair.company)))).boot_nonce);
  tool.plan();
  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "ok");
  EXPECT_EQ(why(tool.deal_at(pair.company)), "handover plan: not what this agent offered");

  // Of the epoch before, with a proof under the share of that epoch.
  HandoverTool next = refresh();
  next.run();
  bundle = next.bundle();
  EXPECT_EQ(code_with(next.offers[1]), "conflict");
  // The same words for the present version, signed by who stole the identity key.
  HandoverOffer renewed = next.offers[1];
  renewed.newest_hash = bundle.newest_hash();
  EXPECT_EQ(code_with(renewed), "unauthenticated");
  renewed.sign(pair.company.stolen_identity());
  EXPECT_EQ(code_with(renewed), "bad-proof");
  EXPECT_EQ(code_of(deal_with([](HandoverTool&, HandoverOffer&) {})), "ok");
}

// What is no refresh needs consent, whoever asks.
TEST_P(Thief, OfAnAdministratorsCertificateChangesNothingInARefresh) {
  const auto code_with = [&](const std::function<void(HandoverTool&)>& change) {
    return code_of(deal_with([&](HandoverTool& tool, HandoverOffer&) { change(tool); }));
  };
  EXPECT_EQ(code_with([&](HandoverTool& tool) {
              tool.fields().parties[1].identity_certificate = testing::issue(
                  "company", protocol::CertificateUse::authority, {}, pair.company.identity_key(), nullptr,
                  pair.company.stolen_identity(), pair.clock->now_ms, pair.clock->now_ms + kHourMs);
            }),
            "limited");
  EXPECT_EQ(code_with([](HandoverTool& tool) { tool.fields().parties[1].url = "https://other.example:1"; }),
            "limited");
  EXPECT_EQ(code_with([](HandoverTool& tool) { tool.fields().parties[1].name = "another"; }), "limited");
  EXPECT_EQ(code_with([](HandoverTool& tool) {
              std::swap(tool.fields().parties[0], tool.fields().parties[1]);
              std::swap(tool.offers[0], tool.offers[1]);
            }),
            "limited");
  EXPECT_EQ(code_with([](HandoverTool& tool) {
              std::swap(tool.fields().parties[0].indices, tool.fields().parties[1].indices);
            }),
            "limited");
  EXPECT_EQ(code_with([&](HandoverTool& tool) {
              tool.fields().parties[2].identity_key = SigningKey::generate(system_random()).public_key();
            }),
            "denied");

  // Another recovery key under the recovery party's name, by who has the client CA's key too.
  EXPECT_EQ(code_with([&](HandoverTool& tool) {
              const auto own = HpkePrivateKey::generate(system_random()).public_key();
              auto& recovery = tool.fields().parties[2];
              recovery.ceremony_key = own;
              recovery.organisation =
                  must(protocol::OrganisationCertificate::issue_recovery("acme", pair.acme.ca_key(), own));
              tool.fields().recovery_key = own;
            }),
            "denied");

  // Nor does the recovery share deal in one.
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(), {1, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.offer();
  tool.plan();
  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "limited");
}

// A tool that was approved, but puts its own key in place of the one that the joining agent offered.
TEST_P(Thief, InAJoinIsDealtNothing) {
  const auto provider = another("newcloud");
  HandoverTool tool(bundle, {&pair.company}, pair.admin,
                    {.t = 2, .agents = {{provider.get(), 1}, {&pair.company, 2}}, .recovery = 3}, {2, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.company);
  tool.offer();
  const HandoverOffer honest = tool.offers[0];
  put_own_keys(tool, pair.company);
  tool.plan();
  EXPECT_EQ(code_of(tool.deal_at(pair.company)), "unauthenticated");
  tool.offers[0] = honest;
  EXPECT_EQ(code_of(tool.deal_at(pair.company)), "conflict");
}

// An invited agent offers to join one version of one key, or to generate one; it does nothing else with that.
TEST_P(Thief, UsesNoOfferOfAnInvitedAgentForSomethingElse) {
  const auto provider = another("newcloud");
  HandoverTool tool(bundle, {&pair.company}, pair.admin,
                    {.t = 2, .agents = {{provider.get(), 1}, {&pair.company, 2}}, .recovery = 3}, {2, 3});
  tool.offer();
  const auto& invitation = tool.invitation(*provider);
  const auto elsewhere = must(protocol::Parameters::make(tool.fields()));
  const protocol::ParametersMessage parameters{
      .invitation = invitation.id, .parameters = elsewhere.encoded(), .mac = {}};
  const std::string other = "this agent made its offer for another version of a key";
  EXPECT_EQ(why(provider->call(ipc::Route::parameters, to_hex(elsewhere.sid()), invitation.certificate,
                               parameters.encode(invitation.secret))),
            other);

  const protocol::OpenMessage open{.invitation = invitation.id,
                                   .tenant = bundle.tenant(),
                                   .purpose = bundle.parameters()->purpose,
                                   .suite = bundle.parameters()->suite,
                                   .key_id = {},
                                   .newest_hash = {},
                                   .nonce = {},
                                   .mac = {}};
  const Bytes answer = must(tool.post(*provider, ipc::Route::open, open.encode(invitation.secret)));
  const HandoverOffer offer = must(protocol::OfferMessage::parse(answer)).offer;
  tool.fields().parties[0].nonce = offer.nonce;
  tool.fields().parties[0].ceremony_key = offer.ceremony_key;
  tool.plan();
  EXPECT_EQ(why(tool.post(*provider, ipc::Route::join, tool.join_message(*provider))), other);
}

// A tool that puts its own key in place of an agent's in a key generation. The other agent cannot know, but
// deals only after both have signed for the same parameters; and the one whose key it was never signs.
TEST_P(Thief, InAKeyGenerationIsDealtNothing) {
  testing::Tool tool({&pair.cloud, &pair.company}, pair.acme, GetParam());
  tool.offer();
  tool.fields().parties[1].ceremony_key = HpkePrivateKey::generate(system_random()).public_key();
  const Bytes commit = must(tool.send_parameters(0));
  EXPECT_EQ(why(tool.send_parameters(1)), "parameters: not what this agent offered: its nonce or key");
  // What the thief can sign is no message of the company's.
  const auto forged = [&](std::uint8_t sender) {
    return protocol::CeremonyMessage::sign(protocol::Round::commit, tool.sid(), sender, Bytes(32),
                                           SigningKey::generate(system_random()))
        .encode();
  };
  const protocol::MessageList commits{{commit, forged(1), forged(2)}};
  EXPECT_EQ(code_of(tool.post(0, ipc::Route::reveal, commits.encode())), "unauthenticated");
  // And that was the end of it.
  EXPECT_EQ(code_of(tool.post(0, ipc::Route::deal, commits.encode())), "conflict");
  EXPECT_TRUE(testing::opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
}

}  // namespace
}  // namespace coprotect::agent::custodian
