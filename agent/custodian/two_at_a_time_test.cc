#include <gtest/gtest.h>

#include <algorithm>

#include "agent/custodian/testing/test_handover.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/sealed_part.h"

// Adversaries who have two things at once (docs/threats/README.md, "Two at a time"): what they can do, and
// what they still cannot.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::HpkePrivateKey;
using protocol::RecoveryParts;
using protocol::Scalar;
using protocol::SuiteId;
using testing::HandoverTool;
using testing::opens;
using testing::RecoveryShare;
using testing::statement;
using testing::TestAgent;

class TwoAtATime : public testing::HandoverFixture {
 protected:
  testing::Asking asking(const TestAgent& agent, const protocol::Bundle& of, const testing::TestFile& file) {
    protocol::PartialDecryptBody body;
    body.items.push_back(testing::item_of(file, of));
    return testing::ask(agent, of, std::move(body));
  }
  Result<protocol::PartialReply> partial(TestAgent& agent, const protocol::Bundle& of,
                                         const testing::TestFile& file) {
    return testing::partials(agent, of, asking(agent, of, file), pair.alice);
  }
  Result<Scalar> recovery_share(TestAgent& agent, const protocol::Bundle& of, const HpkePrivateKey& key) {
    const auto parts =
        must(RecoveryParts::parse(of.group(), testing::recovery_of(agent, of, pair.rescuer).second));
    return parts.open(key, of.sharing());
  }
};
// The company's identity key and the administrator's machine: a refresh that the company's agent never
// finishes, with its confirmation and acknowledgement forged. The cloud's agent erases the epoch before. That
// stops the two agents, and gives nobody anything; the deals or the code bring them together again.
TEST_F(TwoAtATime, AFalseAcknowledgementStopsTheTwoAgentsAndGivesNothing) {
  const protocol::SigningKey stolen = pair.company.stolen_identity();
  HandoverTool tool = refresh();
  tool.offer();
  tool.plan();
  tool.deal();
  std::vector<protocol::PublicDeal> open;
  for (const Bytes& deal : tool.deals)
    open.push_back(must(protocol::PublicDeal::parse(
        must(protocol::Deal::parse(deal, tool.the_plan())).open.encode(), tool.the_plan())));
  const auto transcript = must(protocol::HandoverTranscript::make(bundle.sharing(), bundle.newest_hash(),
                                                                  tool.the_plan(), std::move(open)));
  const auto confirmed = must(tool.prepare_at(pair.cloud));
  tool.version = protocol::HandoverVersion::encode(
      transcript, std::vector{confirmed, protocol::confirm_handover(transcript, stolen)});
  must(tool.activate_at(pair.cloud));
  // Without the second lie nothing is erased.
  EXPECT_EQ(code_of(tool.retire_at(pair.cloud)), "conflict");
  tool.acknowledgements.push_back(
      statement(pair.company, protocol::acknowledge_handover(tool.sid(), transcript.hash(), stolen)));
  must(tool.retire_at(pair.cloud));
  EXPECT_EQ(tool.status(pair.cloud).epoch, 1u);
  EXPECT_EQ(tool.status(pair.company).epoch, 0u);

  // No epoch has two agents, and the shares of two epochs are no quorum.
  const protocol::Bundle next = must(bundle.followed_by(tool.version));
  const auto file = testing::encrypt(next);
  EXPECT_EQ(code_of(partial(pair.cloud, bundle, file)), "conflict");
  EXPECT_EQ(code_of(partial(pair.company, next, file)), "conflict");
  std::vector<protocol::IndexedPartial> mixed;
  const auto add = [&](TestAgent& agent, const protocol::Bundle& of) {
    const auto reply = must(partial(agent, of, file));
    mixed.push_back({reply.index, *reply.items.front().value});
  };
  add(pair.cloud, next);
  add(pair.company, bundle);
  const auto& stanza = *must(file.header.stanza_for(next.key_id()));
  EXPECT_FALSE(file.header.unlock(must(protocol::combine(stanza.ciphertext.c2, mixed))));

  // The code opens with each agent, in that agent's epoch.
  const Scalar share = must(recovery_share(pair.cloud, next, pair.tool.recovery_key()));
  EXPECT_TRUE(opens(next, pair.alice, {&pair.cloud}, RecoveryShare{3, share}));
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.company}, RecoveryShare{3, pair.tool.recovery_share()}));
  // And whoever has the deals finishes what the thief left.
  must(tool.prepare_at(pair.company));
  must(tool.activate_at(pair.company));
  must(tool.retire_at(pair.company));
  EXPECT_TRUE(opens(next, pair.alice, {&pair.cloud, &pair.company}));
}

// A front that recorded everything, and an agent whose store is put back. The old request is answered again
// until a peer is heard; to the client's one-time key, which the front has not got. An old list of clients
// counts as long.
TEST_F(TwoAtATime, AFrontOfAStoreThatIsPutBackReadsNothing) {
  settle(pair.cloud, pair.company);
  settle(pair.company, pair.cloud);
  save(pair.cloud);
  const auto file = testing::encrypt(bundle);
  const auto asked = asking(pair.cloud, bundle, file);
  const Bytes request = asked.signed_by(pair.alice);
  const auto replay = [&] {
    return pair.cloud.call(Route::partial_decrypt, to_hex(bundle.key_id()), pair.alice.certificate.der(),
                           request);
  };
  const auto bring = [&](TestAgent& agent, const Bytes& list) {
    return agent.call(Route::client_list_put, "acme", pair.admin.certificate.der(), list);
  };
  must(testing::open(pair.cloud, asked, request, must(replay())));
  const auto bob = pair.acme.enrol("user", "bob");
  const Bytes with_bob = pair.acme.next_list();
  pair.acme.remove(bob);
  const Bytes without_bob = pair.acme.next_list();
  for (TestAgent* const agent : {&pair.cloud, &pair.company})
    for (const Bytes& list : {with_bob, without_bob}) must(bring(*agent, list));
  settle(pair.cloud, pair.company);

  put_back(pair.cloud);
  const auto bobs = [&] {
    return code_of(testing::partials(pair.cloud, bundle, asking(pair.cloud, bundle, file), bob));
  };
  const int before = pair.cloud.computed();
  const Bytes again = must(replay());
  EXPECT_EQ(pair.cloud.computed(), before + 1);
  EXPECT_FALSE(must(protocol::SealedReply::parse(again))
                   .open(pair.cloud.identity_key(), HpkePrivateKey::generate(system_random()),
                         protocol::sha256(request)));
  must(testing::open(pair.cloud, asked, request, again));
  must(bring(pair.cloud, with_bob));
  EXPECT_EQ(bobs(), "ok");

  settle(pair.cloud, pair.company);
  EXPECT_EQ(code_of(testing::open(pair.cloud, asked, request, must(replay()))), "replayed");
  EXPECT_EQ(bobs(), "unauthenticated");
  EXPECT_EQ(code_of(bring(pair.cloud, with_bob)), "conflict");
}

// A relay that brings no peer's answer: then the store that was put back is served, and its client is
// answered twice. Each answer is recorded, and the relay can change none that it does let through.
TEST_F(TwoAtATime, ARelayOfAStoreThatIsPutBackKeepsPeersAwayAndNoMore) {
  settle(pair.cloud, pair.company);
  save(pair.cloud);
  const auto file = testing::encrypt(bundle);
  const auto asked = asking(pair.cloud, bundle, file);
  const Bytes request = asked.signed_by(pair.alice);
  const auto send = [&] {
    return code_of(testing::send(pair.cloud, asked, request, pair.alice.certificate.der()));
  };
  EXPECT_EQ(send(), "ok");
  settle(pair.cloud, pair.company);
  const auto earlier = must(pair.cloud.custodian().peers().ask()).at(0);
  const Bytes recorded =
      must(pair.company.call(Route::peer_state, "", pair.cloud.tls_certificate(), earlier.body));

  put_back(pair.cloud);
  EXPECT_EQ(send(), "ok");
  EXPECT_EQ(send(), "replayed");  // once for each time that the store is put back
  const auto question = must(pair.cloud.custodian().peers().ask()).at(0);
  Bytes answer = must(pair.company.call(Route::peer_state, "", pair.cloud.tls_certificate(), question.body));
  EXPECT_EQ(code_of(pair.cloud.custodian().peers().heard(question, recorded)), "unauthenticated");
  answer.back() ^= 1;
  EXPECT_EQ(code_of(pair.cloud.custodian().peers().heard(question, answer)), "unauthenticated");
  answer.back() ^= 1;
  EXPECT_TRUE(must(pair.cloud.custodian().peers().heard(question, answer)).news);
  EXPECT_EQ(send(), "replayed");
}

// An agent, and the administrator's machine at onboarding, which relays every message and makes code and kit.
TEST_F(TwoAtATime, AnAgentAndTheMachineOfTheOnboardingHaveTheKeyAndNeitherAlone) {
  const protocol::Parameters& parameters = pair.tool.parameters();
  const HpkePrivateKey& recovery = pair.tool.recovery_key();
  // The machine alone: what it relays is sealed to the agents.
  const auto deals = must(protocol::collect_round(pair.tool.deals(), protocol::Round::deal, parameters));
  const auto reveals =
      must(protocol::collect_round(pair.tool.reveals(), protocol::Round::reveal, parameters));
  Writer info;
  info.literal("CPV1-DEAL").bytes(parameters.sid());
  int tried = 0;
  for (std::uint8_t sender = 0; sender < 3; ++sender) {
    Reader r(deals[sender].body);
    for (int count = *r.u8(); count > 0; --count) {
      const std::uint8_t index = *r.u8();
      const protocol::Party& holder = parameters->parties[parameters.holder_of(index)];
      if (holder.is_agent()) {
        Writer aad;
        aad.u8(sender).u8(index).bytes(holder.identity_key.bytes());
        EXPECT_FALSE(recovery.open(*r.lp(), info.view(), aad.view()));
      } else {
        const Digest hash = *r.array<32>();
        const ByteView sealed = *r.lp4();
        auto revealed = must(protocol::Reveal::parse(reveals[sender].body, parameters));
        const auto about = protocol::recovery_statement(parameters, sender, std::move(revealed.commitments));
        for (const std::size_t agent : {0u, 1u})
          EXPECT_FALSE(protocol::open_part(parameters, about, sealed, hash, agent, recovery));
      }
      ++tried;
    }
  }
  EXPECT_EQ(tried, 2 + 2 + 3);
  for (TestAgent* const agent : {&pair.cloud, &pair.company}) {
    TestAgent& other = agent == &pair.cloud ? pair.company : pair.cloud;
    // The agent alone: it keeps parts, without the code.
    EXPECT_FALSE(recovery_share(*agent, bundle, HpkePrivateKey::generate(system_random())));
    // Both together: the other agent is not asked, and records nothing of it.
    const auto decryptions = [&] {
      return std::ranges::count_if(testing::read_log(other, bundle, pair.admin), [](const auto& entry) {
        return entry.operation == static_cast<std::uint8_t>(protocol::Operation::partial_decrypt);
      });
    };
    const auto recorded = decryptions();
    const int asked = other.computed();
    const auto share = recovery_share(*agent, bundle, recovery);
    ASSERT_TRUE(share) << share.error().message();
    EXPECT_TRUE(opens(bundle, pair.alice, {agent}, RecoveryShare{3, *share}));
    EXPECT_EQ(other.computed(), asked);
    EXPECT_EQ(decryptions(), recorded);
  }
}

// Who may pass requests on and ask about stores: an agent that joins is none of them until its epoch is
// active.
TEST_F(TwoAtATime, AnAgentThatJoinsIsAPeerOnceItsEpochIsActive) {
  const auto third = another("cloud-b");
  HandoverTool tool(
      bundle, {&pair.cloud, &pair.company}, pair.admin,
      {.t = 2, .agents = {{&pair.cloud, 1}, {&pair.company, 2}, {third.get(), 3}}, .recovery = 4}, {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  const auto known_at = [&](TestAgent& agent) {
    const auto peers = agent.custodian().trust().peers;
    return std::ranges::find(peers, third->identity_certificate().der()) != peers.end();
  };
  tool.offer();
  tool.plan();
  tool.deal();
  tool.prepare();
  tool.sign();
  EXPECT_FALSE(known_at(pair.cloud) || known_at(pair.company));
  tool.activate();
  EXPECT_TRUE(known_at(pair.cloud) && known_at(pair.company));
}

// An invitation that made a key, and the agent's store of before.
class InvitationAndSnapshot : public ::testing::Test {
 protected:
  void save(const std::string& name) {
    pair.cloud.close();
    std::filesystem::copy_file(pair.cloud.store(), scratch / name);
    pair.cloud.open();
  }
  void put_back(const std::string& name) {
    pair.cloud.close();
    std::filesystem::copy_file(scratch / name, pair.cloud.store(),
                               std::filesystem::copy_options::overwrite_existing);
    pair.cloud.open();
  }
  std::string decrypts(const testing::TestFile& file) {
    const auto reply =
        testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice);
    return reply ? "ok" : std::string(code_name(reply.error().code()));
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  testing::Pair pair{scratch.path(), testing::token_at(token.uri()), SuiteId::p256};
};

// The invitation is as it was when it was new: whoever has it makes a key with the agent, until it expires.
// It opens nothing of the key that it made before, which is in the newer store alone.
TEST_F(InvitationAndSnapshot, MakeAnotherKeyAndOpenNothingOfTheFirst) {
  save("before");
  pair.onboard();
  const auto file = testing::encrypt(pair.bundle());
  EXPECT_EQ(decrypts(file), "ok");
  save("after");

  TestAgent own(scratch / "own", "own", testing::token_at(token.uri()), pair.clock);
  own.open();
  const testing::Company thief("acme", pair.clock->now_ms);
  const auto with_the_invitation = [&] {
    testing::Tool tool({&pair.cloud, &own}, thief, SuiteId::p256);
    const auto& spent = pair.tool.invitation(0);
    tool.use_invitation(0, {spent.id, spent.secret.clone(), spent.certificate});
    return tool;
  };
  testing::Tool refused = with_the_invitation();
  EXPECT_THROW(refused.offer(), std::runtime_error);
  put_back("before");
  testing::Tool tool = with_the_invitation();
  tool.run();
  EXPECT_NE(tool.bundle().key_id(), pair.bundle().key_id());
  EXPECT_NE(decrypts(file), "ok");

  put_back("after");
  EXPECT_EQ(decrypts(file), "ok");
  testing::Tool again = with_the_invitation();
  EXPECT_THROW(again.offer(), std::runtime_error);
}

}  // namespace
}  // namespace coprotect::agent::custodian
