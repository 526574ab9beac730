// An agent whose operator is hostile, as a dealer: at live agents, with real tokens and TLS, in refreshes, in
// a reshare that it is to leave, under a new code and in key generations. Whatever it deals, nobody begins to
// use it, the epoch before serves, and the message names it. Afterwards, when it is honest again, the same
// commands succeed.

#include <gtest/gtest.h>

#include "protocol/base/test_must.h"
#include "protocol/dkg/test_lying_dealer.h"
#include "protocol/handover/test_handover.h"
#include "protocol/message/onboarding.h"
#include "swtpm-tests/hostile/turned_agent.h"
#include "swtpm-tests/lifecycle/lifecycle.h"

namespace coprotect::harness {
namespace {

using agent::ipc::Route;
using protocol::Deal;
using protocol::HandoverPlan;
using protocol::HandoverStep;
using protocol::HpkePrivateKey;
using protocol::MessageList;
using protocol::RecoveryPart;
using protocol::Scalar;
using protocol::test::LyingDealer;

// What a hostile agent sees of a key generation.
struct SeenRounds {
  std::optional<protocol::Parameters> parameters;
  std::map<Route, std::vector<Bytes>> rounds;  // everybody's messages, as they came to this step
  Bytes reveal;                                // its own honest ones
  Bytes deal;

  Bytes body(Route step, protocol::Round round, std::size_t sender) const {
    return must(protocol::CeremonyMessage::parse(rounds.at(step)[sender], round, *parameters)).body;
  }
  // The last entry of a deal is the recovery party's: index, hash, part.
  Digest part_hash(ByteView dealt, std::size_t sender) const {
    Reader r(dealt);
    r.u8();
    for (const protocol::Party& party : (*parameters)->parties)
      if (party.is_agent() && &party != &(*parameters)->parties[sender]) {
        r.u8();
        r.lp();
      }
    r.u8();
    return must_have(r.array<32>());
  }
  static Digest must_have(const std::optional<Digest>& hash) {
    if (!hash) throw std::runtime_error("a deal without a recovery part");
    return *hash;
  }
  // The confirmation of what everybody, itself included, said in these rounds.
  Bytes confirm(const protocol::SigningKey& identity) const {
    std::vector<protocol::PublicTranscript::PartyRounds> all;
    std::map<std::uint8_t, Digest> hashes;
    for (std::size_t i = 0; i < (*parameters)->parties.size(); ++i) {
      const Bytes dealt = body(Route::prepare, protocol::Round::deal, i);
      all.push_back({.commit_body = body(Route::reveal, protocol::Round::commit, i),
                     .reveal_body = body(Route::deal, protocol::Round::reveal, i),
                     .deal_hash = protocol::sha256(dealt)});
      hashes.emplace(static_cast<std::uint8_t>(i), part_hash(dealt, i));
    }
    const auto parts = protocol::recovery_parts_hash(parameters->sid(), 3, hashes);
    return protocol::confirm(must(protocol::PublicTranscript::make(*parameters, std::move(all), parts)), 0,
                             identity);
  }
};

class HostileDealer : public testing::TestWithParam<std::string> {
 protected:
  static constexpr std::uint8_t kCompany = 2;  // the index of the honest agent

  std::string out() const { return system.out().string(); }
  const protocol::Group& group() const { return bundle.group(); }
  Scalar random_scalar() const { return Scalar::random(group().scalars(), system_random()); }

  // Of the cloud's share, as it should be.
  Deal honest_deal(const HandoverPlan& plan) const {
    return must(protocol::make_deal(plan, cloud.share().index, cloud.share().share, system_random()));
  }
  // What a hostile agent does in a handover: its deals; and it confirms whatever comes of them.
  using Deals = std::function<Result<std::vector<Bytes>>(const HandoverPlan&)>;
  TurnedAgent::Lies lying(Deals deals) {
    auto plan = std::make_shared<std::optional<HandoverPlan>>();
    const auto answer = [this, deals = std::move(deals), plan](
                            HandoverStep step, ByteView payload) -> std::optional<Result<Bytes>> {
      if (step == HandoverStep::deal) {
        plan->emplace(must(HandoverPlan::parse(must(protocol::DealRequest::parse(payload)).plan)));
        auto lies = deals(**plan);
        if (!lies) return std::move(lies).error();
        return MessageList{*std::move(lies)}.encode();
      }
      if (step != HandoverStep::prepare) return std::nullopt;
      std::vector<protocol::PublicDeal> open;
      for (const Bytes& deal : must(protocol::PrepareRequest::parse(payload)).deals)
        open.push_back(std::move(must(Deal::parse(deal, **plan)).open));
      const auto transcript =
          protocol::HandoverTranscript::make(bundle.sharing(), bundle.newest_hash(), **plan, std::move(open));
      if (!transcript) return std::nullopt;
      return protocol::encode_signature(protocol::confirm_handover(*transcript, cloud.identity()));
    };
    return {.handover = answer};
  }
  static Deals dealing(std::function<Deal(const HandoverPlan&)> lie) {
    return [lie = std::move(lie)](const HandoverPlan& plan) {
      return Result<std::vector<Bytes>>(std::vector<Bytes>{lie(plan).encode()});
    };
  }

  std::string log_of_company() const {
    return system.provision({"log", "--dir", out(), "--party", "company", "--json"}).out;
  }
  void expect_that_nothing_changed() {
    EXPECT_TRUE(file.opens(system.admin()));
    const Finished holders = system.provision({"holders", "--dir", out()});
    EXPECT_TRUE(done(holders));
    EXPECT_NE(holders.out.find(", epoch 0: any 2 of"), std::string::npos) << holders.out;
    for (const char* const unfinished : {"waiting", "older shares", "not finished", "not to be believed"})
      EXPECT_EQ(holders.out.find(unfinished), std::string::npos) << holders.out;
    EXPECT_EQ(bundle_of(system).encoded(), bundle.encoded());
  }
  // A command that fails, with these words, and leaves everything as it was.
  void expect_refused(const Finished& run, const std::string& words) {
    EXPECT_NE(run.exit_code, 0);
    EXPECT_LT(run.exit_code, 128) << "ended by a signal";
    EXPECT_NE(run.err.find(words), std::string::npos) << run.err;
    // The agent that says so is not the one.
    const bool said_by_company = run.err.find("error: company agent") != std::string::npos;
    EXPECT_TRUE(!said_by_company || run.err.find("index 1 by cloud") != std::string::npos) << run.err;
    EXPECT_EQ(run.err.find("could not be taken back"), std::string::npos) << run.err;
    expect_that_nothing_changed();
  }
  void expect_refresh_refused(Deals deals, const std::string& words) {
    SCOPED_TRACE(words);
    cloud.tell(lying(std::move(deals)));
    expect_refused(system.hand_over({"refresh", "--dir", out()}), words);
  }
  Finished add_key() { return system.add_key("further", {"--purpose", "derive", "--suite", GetParam()}); }
  void expect_in_log_of_company(const std::string& words) const {
    const std::string log = log_of_company();
    EXPECT_NE(log.find(words), std::string::npos) << log;
  }

  // What does not depend on the suite is tried in the fast one alone.
  const bool every_lie = GetParam() == "p256";
  System system{{.suite = GetParam()}};
  const KeptFile file{system};
  const protocol::Bundle bundle = bundle_of(system);
  TurnedAgent cloud{system.cloud(), system.folder() / "programs", bundle.parameters()->suite};
};
INSTANTIATE_TEST_SUITE_P(Suites, HostileDealer, testing::Values("p256", "ffdhe3072"),
                         [](const auto& suite) { return suite.param; });

TEST_P(HostileDealer, OfAHandoverIsNamedAndNobodyUsesWhatItDealt) {
  const Scalar& share = cloud.share().share;
  std::optional<Bytes> old;
  // What only an agent that gets it can see.
  expect_refresh_refused(dealing([&](const HandoverPlan& plan) {
                           old = honest_deal(plan).encode();
                           return protocol::test::with_value(plan, honest_deal(plan), share, kCompany,
                                                             random_scalar());
                         }),
                         "dealer of index 1: its value for index 2 does not match its commitments");
  expect_in_log_of_company("its value for index 2 does not match its commitments");
  if (every_lie) {
    expect_refresh_refused(dealing([&](const HandoverPlan& plan) {
                             Deal deal = honest_deal(plan);
                             Bytes sealed = protocol::test::sealed_with(plan, deal, kCompany, Bytes(81, 7));
                             return protocol::test::proved_again(plan, std::move(deal), std::move(sealed),
                                                                 share);
                           }),
                           "dealer of index 1: its value for index 2 cannot be opened");
  }
  const auto part_of = [&](const HandoverPlan& plan, bool for_another_key) {
    const Deal honest = honest_deal(plan);
    auto statement = protocol::dealt_statement(plan, honest.open);
    if (for_another_key) statement.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
    return protocol::test::with_part(plan, honest, share,
                                     must(RecoveryPart::make(statement, random_scalar(), system_random())));
  };
  for (const bool for_another_key : {false, true})
    if (every_lie || !for_another_key)
      expect_refresh_refused(
          dealing([&](const HandoverPlan& plan) { return part_of(plan, for_another_key); }),
          "dealer 1: its recovery part for index 3 does not hold");
  expect_in_log_of_company("its recovery part for index 3 does not hold");

  if (every_lie) {
    // What everybody sees.
    expect_refresh_refused(
        dealing([&](const HandoverPlan& plan) {
          return must(protocol::make_deal(plan, 1, random_scalar(), system_random()));
        }),
        "cloud agent: dealer of index 1: deals something else than its share of this epoch");
    expect_refresh_refused(
        dealing([&](const HandoverPlan& plan) {
          Deal deal = honest_deal(plan);
          deal.open.commitments[1] = group().generator_power_secret(random_scalar());
          return deal;
        }),
        "cloud agent: dealer of index 1: the proof that it consents with its share does not hold");
    expect_refresh_refused(
        [&](const HandoverPlan&) { return std::vector<Bytes>{*old}; },
        "cloud agent: dealer of index 1: the proof that it consents with its share does not hold");
    expect_refresh_refused([](const HandoverPlan&) { return std::vector<Bytes>{}; },
                           "cloud agent does not deal exactly the shares that the plan names of it");
    expect_refresh_refused(
        [&](const HandoverPlan& plan) {
          const Deal deal = honest_deal(plan);
          return std::vector<Bytes>{deal.encode(), deal.encode()};
        },
        "cloud agent does not deal exactly the shares that the plan names of it");
    expect_refresh_refused([](const HandoverPlan&) { return Error(Code::unavailable, "not today"); },
                           "cloud agent");

    // Under a new code, whose recovery key nobody had before.
    const std::string code = system.code();
    cloud.tell(lying(dealing([&](const HandoverPlan& plan) { return part_of(plan, false); })));
    expect_refused(system.hand_over({"new-code", "--dir", out()}, true),
                   "dealer 1: its recovery part for index 3 does not hold");
    system.keep_code(code);
    EXPECT_TRUE(file.recovers());
  }

  cloud.tell({});
  EXPECT_TRUE(done(system.hand_over({"refresh", "--dir", out()})));
  EXPECT_GT(bundle_of(system).epoch(), 0u);
  EXPECT_TRUE(file.opens(system.admin()));
}

// The agent that joins in its place is dealt the lie, and has nothing of the key to compare it with.
TEST_P(HostileDealer, OfAReshareThatItLeavesIsNamedAndNobodyJoins) {
  const Scalar& share = cloud.share().share;
  Agent& joins = system.add_agent("cloud-b", "cloud-b", false);
  const auto reshare = [&] {
    return system.hand_over(
        {"reshare", "--dir", out(), "--leave", "cloud", "--invitation", joins.invitation().string()});
  };
  const auto expect_reshare_refused = [&](std::function<Deal(const HandoverPlan&)> lie,
                                          const std::string& words) {
    SCOPED_TRACE(words);
    cloud.tell(lying(dealing(std::move(lie))));
    const Finished run = reshare();
    expect_refused(run, words);
    return run.err;
  };
  const auto index_of = [](const HandoverPlan& plan, std::string_view name) {
    return plan->parameters->parties[plan->parameters.position_of(name).value()].indices.front();
  };
  // A share that is not its own, for the agent that joins; the one that stays sees nothing of it.
  std::string said = expect_reshare_refused(
      [&](const HandoverPlan& plan) {
        EXPECT_FALSE(plan->parameters.position_of("cloud"));
        return protocol::test::with_value(plan, honest_deal(plan), share, index_of(plan, "cloud-b"),
                                          random_scalar());
      },
      "does not match its commitments");
  EXPECT_NE(said.find("cloud-b agent"), std::string::npos) << said;
  EXPECT_NE(said.find("dealer of index 1: its value for index "), std::string::npos) << said;
  // And for the one that stays.
  if (every_lie)
    expect_reshare_refused(
        [&](const HandoverPlan& plan) {
          return protocol::test::with_value(plan, honest_deal(plan), share, index_of(plan, "company"),
                                            random_scalar());
        },
        "dealer of index 1: its value for index ");
  for (const bool for_another_key : {false, true})
    if (every_lie || !for_another_key)
      expect_reshare_refused(
          [&](const HandoverPlan& plan) {
            const Deal honest = honest_deal(plan);
            auto statement = protocol::dealt_statement(plan, honest.open);
            if (for_another_key)
              statement.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
            return protocol::test::with_part(
                plan, honest, share, must(RecoveryPart::make(statement, random_scalar(), system_random())));
          },
          "dealer 1: its recovery part for index ");
  if (every_lie) {
    std::optional<Bytes> old;
    expect_reshare_refused(
        [&](const HandoverPlan& plan) {
          old = honest_deal(plan).encode();
          return must(protocol::make_deal(plan, 1, random_scalar(), system_random()));
        },
        "dealer of index 1: deals something else than its share of this epoch");
    cloud.tell(lying([&](const HandoverPlan&) { return std::vector<Bytes>{*old}; }));
    expect_refused(reshare(), "dealer of index 1: the proof that it consents with its share does not hold");
  }

  cloud.tell({});
  EXPECT_TRUE(done(reshare()));
  EXPECT_TRUE(bundle_of(system).parameters().position_of("cloud-b"));
  EXPECT_FALSE(bundle_of(system).parameters().position_of("cloud"));
  expect_every_quorum(file, system.admin(), joins, system.company(), system.kit(), system.code());
}

TEST_P(HostileDealer, OfAKeyGenerationIsNamedAndNothingStaysOfTheKey) {
  SeenRounds seen;
  Bytes old;
  // In the place of a round's honest message; the honest part of the agent never learns of it.
  using Lie = std::function<Result<Bytes>(const LyingDealer&, const Bytes& honest)>;
  const auto expect_refused = [&](Route round, const std::string& words, const Lie& lie) {
    SCOPED_TRACE(words);
    Bytes honest;
    Bytes lied;
    cloud.tell({.to_custodian =
                    [&](Route route, Bytes body) {
                      if (route == Route::parameters)
                        seen.parameters.emplace(must(protocol::Parameters::parse(
                            must(protocol::ParametersMessage::parse(body)).parameters)));
                      auto all = MessageList::parse(body);
                      if (all) seen.rounds[route] = all->messages;
                      if (lied.empty() || !all) return body;
                      for (Bytes& message : all->messages)
                        if (message == lied) message = honest;
                      return all->encode();
                    },
                .to_tool = [&](Route route, Bytes answer) -> Result<Bytes> {
                  if (route == Route::reveal) seen.reveal = answer;
                  if (route == Route::deal) seen.deal = answer;
                  // It confirms whatever it dealt.
                  if (route == Route::prepare && round == Route::deal) return seen.confirm(cloud.identity());
                  if (route != round) return answer;
                  honest = answer;
                  auto said =
                      lie(LyingDealer(*seen.parameters, 0, cloud.identity(), seen.reveal, seen.deal), honest);
                  if (said) lied = *said;
                  return said;
                }});
    const Finished run = add_key();
    EXPECT_NE(run.exit_code, 0);
    EXPECT_LT(run.exit_code, 128) << "ended by a signal";
    EXPECT_NE(run.err.find(words), std::string::npos) << run.err;
    expect_that_nothing_changed();
    EXPECT_FALSE(std::filesystem::exists(system.bundle("further")));
    cloud.tell({});  // what it refers to ends here
  };
  expect_refused(Route::deal, "party \"cloud\": share for index 2 does not match the commitments",
                 [&](const LyingDealer& liar, const Bytes& honest) {
                   old = honest;
                   return liar.with_wrong_shares();
                 });
  expect_in_log_of_company("share for index 2 does not match the commitments");
  expect_refused(
      Route::deal, "party \"cloud\": dealer 0: its recovery part for index 3 does not hold",
      [&](const LyingDealer& liar, const Bytes&) {
        return liar.with_part(must(RecoveryPart::make(liar.statement(), random_scalar(), system_random())));
      });
  if (every_lie) {
    expect_refused(Route::reveal, "party \"cloud\"",
                   [](const LyingDealer& liar, const Bytes&) { return liar.with_other_commitment(); });
    expect_refused(Route::deal, "party \"cloud\"", [&](const LyingDealer&, const Bytes&) { return old; });
    expect_refused(Route::deal, "cloud agent",
                   [](const LyingDealer&, const Bytes&) { return Error(Code::unavailable, "not today"); });
  }

  cloud.tell({});
  EXPECT_TRUE(done(add_key()));
  EXPECT_TRUE(std::filesystem::exists(system.bundle("further")));
}

}  // namespace
}  // namespace coprotect::harness
