// One request through several agents: each judges, records and answers for itself, and none of them twice.
// Three agents and the tool make a key of which any two shares do; messages between them are handed over
// here.

#include <gtest/gtest.h>

#include <map>

#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/chain.h"
#include "protocol/threshold/partial.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::ChainReply;
using protocol::ForwardMessage;
using protocol::Refusal;
using protocol::SuiteId;
using testing::Asking;
using testing::encrypt;
using testing::TestAgent;

// Three agents, and who carries their messages.
class ChainedDecrypt : public ::testing::TestWithParam<SuiteId> {
 protected:
  ChainedDecrypt() {
    for (TestAgent* const agent : agents) {
      agent->agents_of_new_keys = 3;
      agent->open();
    }
    tool.run();
    const Bytes list = acme.next_list();
    for (std::size_t i = 0; i < agents.size(); ++i) {
      must(agents[i]->call(ipc::Route::client_list_put, "acme", admin.certificate.der(), list));
      agents[i]->carry = [this, i](const Chain& chain) { return carry(*agents[i], chain); };
    }
  }

  Result<Bytes> carry(const TestAgent& from, const Chain& chain) {
    const std::string to = chain.next()->name;
    path.push_back(from.role() + ">" + to);
    if (dead.contains(to)) return Error(Code::unavailable, "cannot connect");
    return decrypt(agent(to), chain.message(std::chrono::milliseconds(1000)),
                   from.identity_certificate().der());
  }
  TestAgent& agent(const std::string& role) {
    for (TestAgent* const candidate : agents)
      if (candidate->role() == role) return *candidate;
    std::abort();
  }
  Result<Bytes> decrypt(TestAgent& at, Bytes message, ByteView peer) {
    return at.call(ipc::Route::decrypt, to_hex(tool.bundle().key_id()), peer, std::move(message));
  }
  // A request for all agents.
  Asking asking(const testing::TestFile& file) {
    protocol::PartialDecryptBody body;
    body.items.push_back(testing::item_of(file, tool.bundle()));
    Asking made = testing::ask(cloud, tool.bundle(), std::move(body));
    made.request.audience.clear();
    for (const TestAgent* const one : agents) made.request.audience.push_back(one->identity_key().bytes());
    return made;
  }
  Result<Bytes> ask(TestAgent& first, const Bytes& request,
                    std::vector<protocol::PublicKeyBytes> visited = {}) {
    const ForwardMessage message{.request = request, .visited = std::move(visited), .budget_ms = 10'000};
    return decrypt(first, message.encode(), alice.certificate.der());
  }
  // Each party's answer by its name: "ok" for partials that hold, "refused: CODE" for a refusal that it
  // signed, or the code that another agent gives.
  std::map<std::string, std::string> outcome(const Result<Bytes>& answer, const Asking& asked,
                                             const Bytes& request) {
    std::map<std::string, std::string> answers;
    if (!answer) return {{"all", std::string(code_name(answer.error().code()))}};
    for (const auto& entry : must(ChainReply::parse(*answer)).entries) {
      const auto key = must(protocol::VerifyKey::parse(entry.party));
      const auto position = tool.bundle().parameters().position_of(key);
      const std::string name = tool.bundle().parameters()->parties.at(position.value()).name;
      const auto* const sealed = std::get_if<Bytes>(&entry.answer);
      answers[name] = sealed != nullptr ? checked(agent(name), *sealed, asked, request)
                                        : std::string(code_name(std::get<Refusal>(entry.answer).code));
    }
    return answers;
  }
  std::string checked(const TestAgent& from, const Bytes& encoded, const Asking& asked,
                      const Bytes& request) {
    const Digest hash = protocol::sha256(request);
    const auto opened = testing::open(from, asked, request, encoded);
    if (!opened) return "refused: " + std::string(code_name(opened.error().code()));
    const auto reply =
        std::move(must(protocol::parse_partial_replies(opened->reveal(), tool.bundle().group())).front());
    if (!reply.proof) return std::string(protocol::item_status_name(reply.items.front().status));
    const auto& item = std::get<protocol::PartialDecryptBody>(asked.request.body).items.front();
    const std::vector bases{item.capsule->c1};
    const protocol::PartialSet set{{*reply.items.front().value}, {reply.proof->c, reply.proof->z.clone()}};
    const Digest context = protocol::partial_context(tool.bundle().group().suite(), tool.bundle().key_id(), 0,
                                                     reply.index, hash);
    return protocol::verify_partials(tool.bundle().public_share(reply.index), bases, set, context) ? "ok"
                                                                                                   : "wrong";
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  std::shared_ptr<testing::Clock> clock = std::make_shared<testing::Clock>();
  hsm::TokenConfig config = testing::token_at(token.uri());
  TestAgent cloud{scratch / "cloud", "cloud", config, clock};
  TestAgent company{scratch / "company", "company", config, clock};
  TestAgent vault{scratch / "vault", "vault", config, clock};
  std::vector<TestAgent*> agents{&cloud, &company, &vault};
  testing::Company acme{"acme", clock->now_ms};
  testing::TestClient alice{acme.enrol("user", "alice")};
  testing::TestClient admin{acme.enrol("admin", "root")};
  testing::Tool tool{agents, acme, GetParam()};
  std::set<std::string> dead;
  std::vector<std::string> path;  // "cloud>company", in order
};
INSTANTIATE_TEST_SUITE_P(Suites, ChainedDecrypt, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

using Outcome = std::map<std::string, std::string>;
using Path = std::vector<std::string>;

TEST_P(ChainedDecrypt, ReachesEveryPartyWhoeverIsFirst) {
  const auto file = encrypt(tool.bundle());
  const std::map<std::string, Path> paths = {{"cloud", {"cloud>company", "company>vault"}},
                                             {"company", {"company>cloud", "cloud>vault"}},
                                             {"vault", {"vault>cloud", "cloud>company"}}};
  for (TestAgent* const first : agents) {
    path.clear();
    const Asking asked = asking(file);
    const Bytes request = asked.signed_by(alice);
    EXPECT_EQ(outcome(ask(*first, request), asked, request),
              (Outcome{{"cloud", "ok"}, {"company", "ok"}, {"vault", "ok"}}));
    EXPECT_EQ(path, paths.at(first->role()));
    for (TestAgent* const one : agents) {
      const auto log = testing::read_log(*one, tool.bundle(), admin);
      EXPECT_EQ(log[log.size() - 2].request_hash, protocol::sha256(request)) << one->role();
    }
  }
}

TEST_P(ChainedDecrypt, GoesRoundADeadParty) {
  const auto file = encrypt(tool.bundle());
  for (const std::string gone : {"company", "vault"}) {
    dead = {gone};
    path.clear();
    const Asking asked = asking(file);
    const Bytes request = asked.signed_by(alice);
    Outcome expected{{"cloud", "ok"}, {"company", "ok"}, {"vault", "ok"}};
    expected[gone] = "unavailable";
    EXPECT_EQ(outcome(ask(cloud, request), asked, request), expected);
    EXPECT_EQ(path, gone == "company" ? (Path{"cloud>company", "cloud>vault"})
                                      : (Path{"cloud>company", "company>vault"}));
  }
}

TEST_P(ChainedDecrypt, LetsEachPartyRefuseForItself) {
  const auto file = encrypt(tool.bundle());
  company.close();
  company.requests.per_key = 1;
  company.open();
  for (int i = 0; i < 2; ++i) {
    const Asking asked = asking(file);
    const Bytes request = asked.signed_by(alice);
    EXPECT_EQ(outcome(ask(cloud, request), asked, request),
              (Outcome{{"cloud", "ok"}, {"company", i == 0 ? "ok" : "refused: limited"}, {"vault", "ok"}}));
    if (i == 0) continue;
    const Asking again = asking(file);
    const Bytes second = again.signed_by(alice);
    EXPECT_EQ(outcome(ask(company, second), again, second),
              (Outcome{{"cloud", "ok"}, {"company", "refused: limited"}, {"vault", "ok"}}));
  }
}

TEST_P(ChainedDecrypt, PassesNothingOnForAStrangerOrTwice) {
  const auto file = encrypt(tool.bundle());
  const Asking asked = asking(file);
  const Bytes request = asked.signed_by(alice);
  EXPECT_EQ(outcome(ask(cloud, request), asked, request).size(), 3u);
  path.clear();
  // A replay, at every party: no share is used again and nothing leaves.
  const int before = cloud.computed() + company.computed() + vault.computed();
  for (TestAgent* const first : agents)
    EXPECT_EQ(outcome(ask(*first, request), asked, request), (Outcome{{first->role(), "refused: replayed"}}));
  // A changed byte, a client who is not enrolled, another key's address, what is no forward message.
  Bytes changed = asking(file).signed_by(alice);
  changed[100] ^= 1;
  EXPECT_EQ(outcome(ask(cloud, changed), asked, changed).contains("all"), true);
  const auto stranger = acme.certify("coprotect:acme:user:mallory");
  const Asking strange = asking(file);
  const Bytes uninvited = strange.signed_by(stranger);
  EXPECT_EQ(outcome(ask(cloud, uninvited), strange, uninvited),
            (Outcome{{"cloud", "refused: unauthenticated"}}));
  const Asking astray = asking(file);
  const Bytes elsewhere = astray.signed_by(alice);
  EXPECT_EQ(outcome(cloud.call(ipc::Route::decrypt, std::string(64, '0'), alice.certificate.der(),
                               ForwardMessage{.request = elsewhere, .visited = {}, .budget_ms = 1}.encode()),
                    astray, elsewhere),
            (Outcome{{"cloud", "refused: malformed"}}));
  EXPECT_EQ(decrypt(cloud, asking(file).signed_by(alice), {}).error().code(), Code::malformed);
  // What is not answered with partials.
  Asking log = testing::ask(cloud, tool.bundle(), protocol::LogBody{1, 10});
  const Bytes log_request = log.signed_by(admin);
  EXPECT_EQ(outcome(ask(cloud, log_request), log, log_request), (Outcome{{"cloud", "refused: malformed"}}));
  EXPECT_EQ(path, Path{});
  EXPECT_EQ(cloud.computed() + company.computed() + vault.computed(), before);
}

TEST_P(ChainedDecrypt, AsksOnlyWhomTheClientAddressed) {
  const auto file = encrypt(tool.bundle());
  Asking asked = asking(file);
  std::erase(asked.request.audience, company.identity_key().bytes());
  const Bytes request = asked.signed_by(alice);
  EXPECT_EQ(outcome(ask(cloud, request), asked, request), (Outcome{{"cloud", "ok"}, {"vault", "ok"}}));
  EXPECT_EQ(path, Path{"cloud>vault"});

  // A list of the visited can only spare work.
  path.clear();
  const Asking shorter = asking(file);
  const Bytes other = shorter.signed_by(alice);
  EXPECT_EQ(outcome(ask(cloud, other, {vault.identity_key().bytes(), cloud.identity_key().bytes()}), shorter,
                    other),
            (Outcome{{"cloud", "ok"}, {"company", "ok"}}));
  EXPECT_EQ(path, Path{"cloud>company"});
}

TEST_P(ChainedDecrypt, BelievesNoList) {
  const auto file = encrypt(tool.bundle());
  const auto entry = [](const TestAgent& one, std::variant<Bytes, Refusal> answer) {
    return ChainReply::Entry{.party = one.identity_key().bytes(), .answer = std::move(answer)};
  };
  const auto answered = [&](const Bytes& list) {
    cloud.carry = [&](const Chain&) { return list; };
    const Asking asked = asking(file);
    const Bytes request = asked.signed_by(alice);
    return must(ChainReply::parse(must(ask(cloud, request))));
  };
  const auto code_of = [](const ChainReply::Entry& one) { return std::get<Refusal>(one.answer).code; };
  // Not a list; one of strangers; one that leaves its sender out, or speaks for the asking agent.
  for (const Bytes& list :
       {Bytes{1, 2, 3},
        ChainReply{.entries = {{.party = alice.key.public_key().bytes(), .answer = Bytes{1}}}}.encode(),
        ChainReply{.entries = {entry(cloud, Bytes{1})}}.encode()}) {
    const auto reply = answered(list);
    ASSERT_EQ(reply.entries.size(), 3u);
    EXPECT_EQ(reply.entries[0].party, cloud.identity_key().bytes());
    EXPECT_TRUE(protocol::SealedReply::parse(std::get<Bytes>(reply.entries[0].answer)));
    EXPECT_EQ(code_of(reply.entries[1]), Code::malformed);
    EXPECT_EQ(code_of(reply.entries[2]), Code::malformed);
  }
  // Too much for one answer.
  const auto reply = answered(
      ChainReply{.entries = {entry(company, Bytes(5 << 20, 1)), entry(vault, Bytes((3 << 20) - 400, 1))}}
          .encode());
  EXPECT_LE(reply.encode().size(), ipc::kMaxBody);
  EXPECT_EQ(code_of(reply.entries[2]), Code::malformed);
}

TEST_P(ChainedDecrypt, LetsTheirPeersBeHeard) {
  const auto peers = cloud.custodian().trust().peers;
  EXPECT_EQ(std::set<Bytes>(peers.begin(), peers.end()),
            (std::set<Bytes>{company.identity_certificate().der(), vault.identity_certificate().der()}));
  // And nowhere else: a peer's certificate reads nothing.
  const Bytes peer = company.identity_certificate().der();
  EXPECT_FALSE(cloud.call(ipc::Route::bundle, to_hex(tool.bundle().key_id()), peer, {}));
  EXPECT_FALSE(cloud.call(ipc::Route::client_list_get, "acme", peer, {}));
}

}  // namespace
}  // namespace coprotect::agent::custodian
