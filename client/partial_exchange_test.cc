#include "client/partial_exchange.h"

#include <gtest/gtest.h>

#include "client/agents.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/group/test_suites.h"

namespace coprotect::client {
namespace {

using protocol::IndexedPartial;
using protocol::ItemStatus;
using protocol::PartialReply;
using protocol::test::TestCeremony;

constexpr std::int64_t kNow = protocol::test::kNow;

// A key with its shares, a client of it, some files, and agents that answer with the real protocol.
class PartialExchangeTest : public testing::TestWithParam<protocol::SuiteId> {
 protected:
  PartialExchangeTest() {
    for (int i = 0; i < 3; ++i) {
      headers_.push_back(std::move(
          must(protocol::Header::create(run_.bundle.public_key(), run_.bundle.key_id(), {}, system_random()))
              .first));
    }
    for (const protocol::Header& header : headers_) {
      files_.push_back({.header = &header, .stanza = must(header.stanza_for(run_.bundle.key_id()))});
    }
  }

  PartialExchange exchange(std::size_t party) const { return exchange(party, files_); }
  PartialExchange exchange(std::size_t party, std::span<const LockedFile> files) const {
    return PartialExchange::make(run_.bundle, party, files, asker_, kNow, system_random());
  }

  // The blocks in an honest party's answer to a request, which it parses like an agent.
  std::vector<PartialReply> blocks(std::size_t party, const PartialExchange& exchange) const {
    auto envelope = must(protocol::SignedRequest::parse_envelope(exchange.request()));
    const auto request = must(std::move(envelope).open(run_.bundle.group().suite()));
    std::vector<protocol::Element> bases;
    if (const auto* const derivation = std::get_if<protocol::DeriveBody>(&request.request.body))
      return blocks(party, derivation->peers, request.hash);
    for (const auto& item : std::get<protocol::PartialDecryptBody>(request.request.body).items) {
      const Digest label =
          protocol::stanza_label(protocol::sha256(item.core), item.stanza_type, run_.bundle.key_id());
      EXPECT_TRUE(protocol::verify(run_.bundle.public_key(), *item.capsule, label));
      bases.push_back(item.capsule->c1);
    }
    return blocks(party, bases, request.hash);
  }
  std::vector<PartialReply> blocks(std::size_t party, std::span<const protocol::Element> bases,
                                   const Digest& request_hash) const {
    std::vector<PartialReply> replies;
    for (const std::uint8_t index : run_.bundle.parameters()->parties[party].indices) {
      replies.push_back(block(index, bases, request_hash));
    }
    return replies;
  }
  PartialReply block(std::uint8_t index, std::span<const protocol::Element> bases,
                     const Digest& request_hash) const {
    const Digest context = protocol::partial_context(run_.bundle.group().suite(), run_.bundle.key_id(),
                                                     run_.bundle.epoch(), index, request_hash);
    auto set = protocol::compute_partials(run_.shares.at(index), run_.bundle.public_share(index), bases,
                                          context, system_random());
    PartialReply reply{
        .index = index, .epoch = run_.bundle.epoch(), .items = {}, .proof = std::move(set.proof)};
    for (const protocol::Element& value : set.values) {
      reply.items.push_back({.status = ItemStatus::done, .value = value, .detail = {}});
    }
    return reply;
  }
  Bytes sealed(std::size_t party, const PartialExchange& exchange,
               const std::vector<PartialReply>& replies) const {
    const auto envelope = must(protocol::SignedRequest::parse_envelope(exchange.request()));
    const Secret plaintext = protocol::encode_partial_replies(replies);
    return must(protocol::SealedReply::answer(ceremony_.identity_keys[party], plaintext.reveal(),
                                              envelope.request.reply_key, envelope.hash, system_random()))
        .encode();
  }
  std::vector<PartialAnswer> honest_answers(std::size_t party) const {
    const PartialExchange e = exchange(party);
    return must(e.read(sealed(party, e, blocks(party, e))));
  }
  // The blame when these blocks are read; "" if there is none.
  std::string blame(const PartialExchange& e, std::size_t party,
                    const std::vector<PartialReply>& replies) const {
    const auto answers = e.read(sealed(party, e, replies));
    if (answers) return "";
    EXPECT_EQ(answers.error().code(), Code::bad_proof);
    return answers.error().message();
  }
  Result<protocol::Element> combine(std::size_t file, std::span<const PartialAnswer* const> answers) const {
    return combine_answers(run_.bundle, *files_[file].stanza, answers);
  }

  const TestCeremony ceremony_{GetParam()};
  const TestCeremony::Run run_ = ceremony_.run();
  const protocol::SigningKey key_ = protocol::SigningKey::generate(system_random());
  const protocol::Certificate certificate_ = protocol::test::make_certificate(
      "alice", protocol::CertificateUse::client, key_, &ceremony_.parameters->client_ca,
      ceremony_.client_ca_key, {"coprotect:acme:user:alice"});
  const Asker asker_{&certificate_, &key_, protocol::Action::view, "a test"};
  std::vector<protocol::Header> headers_;
  std::vector<LockedFile> files_;
};

INSTANTIATE_TEST_SUITE_P(Suites, PartialExchangeTest, protocol::test::tested_suites(),
                         protocol::test::suite_label);

TEST_P(PartialExchangeTest, AnyQuorumDerives) {
  const protocol::Group& group = run_.bundle.group();
  const std::vector<protocol::Element> peers = {group.random_message(system_random()),
                                                group.random_message(system_random())};
  std::vector<std::vector<PartialAnswer>> answers;
  for (const std::size_t party : {0u, 1u, 2u}) {
    const auto e = PartialExchange::make(run_.bundle, party, peers, asker_, kNow, system_random());
    EXPECT_TRUE(e.path().ends_with("/derive"));
    answers.push_back(must(e.read(sealed(party, e, blocks(party, e)))));
    // One item is computed wrongly. The proof covers all of them.
    auto wrong = blocks(party, e);
    wrong[0].items[1].value = peers[0];
    EXPECT_NE(blame(e, party, wrong).find("wrong partial"), std::string::npos);
    auto fewer = blocks(party, e);
    fewer[0].items.pop_back();
    EXPECT_NE(blame(e, party, fewer), "");
  }
  for (std::size_t item = 0; item < peers.size(); ++item) {
    std::vector<protocol::Element> powers;
    for (const auto& [a, b] : {std::pair(0, 1), {1, 2}, {0, 2}}) {
      const std::vector<const PartialAnswer*> quorum = {&answers[static_cast<std::size_t>(a)][item],
                                                        &answers[static_cast<std::size_t>(b)][item]};
      powers.push_back(must(protocol::combine(must(choose_quorum(run_.bundle, quorum)))));
    }
    EXPECT_TRUE(powers[0] == powers[1] && powers[1] == powers[2]);
  }
}

TEST_P(PartialExchangeTest, AnyQuorumUnlocksTheFiles) {
  const std::vector<std::vector<PartialAnswer>> answers = {honest_answers(0), honest_answers(1),
                                                           honest_answers(2)};
  for (const auto& [a, b] : {std::pair(0u, 1u), std::pair(1u, 2u), std::pair(2u, 0u)}) {
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const PartialAnswer* const quorum[] = {&answers[a][i], &answers[b][i]};
      const auto m = combine(i, quorum);
      ASSERT_TRUE(m);
      EXPECT_TRUE(headers_[i].unlock(*m));
    }
  }
}

TEST_P(PartialExchangeTest, AsksEachPartyForItselfAlone) {
  const auto envelope = must(protocol::SignedRequest::parse_envelope(exchange(1).request()));
  ASSERT_EQ(envelope.request.audience.size(), 1u);
  EXPECT_EQ(envelope.request.audience[0], run_.bundle.parameters()->parties[1].identity_key.bytes());
  const auto other = must(protocol::SignedRequest::parse_envelope(exchange(0).request()));
  EXPECT_NE(envelope.request.nonce, other.request.nonce);
  EXPECT_NE(envelope.request.reply_key, other.request.reply_key);
}

TEST_P(PartialExchangeTest, BlamesAWrongPartial) {
  const PartialExchange e = exchange(1);
  auto replies = blocks(1, e);
  replies[0].items[1].value =
      run_.bundle.group().multiply(*replies[0].items[1].value, run_.bundle.sharing().h);
  EXPECT_TRUE(blame(e, 1, replies)
                  .starts_with("company agent \"company.example:8443\" sent a wrong partial decryption"));
}

TEST_P(PartialExchangeTest, BlamesAPartialOfOneFile) {
  const PartialExchange e = exchange(0, std::span(files_).first(1));
  auto replies = blocks(0, e);
  EXPECT_EQ(blame(e, 0, replies), "");
  replies[0].items[0].value = run_.bundle.sharing().h;
  EXPECT_NE(blame(e, 0, replies), "");
}

TEST_P(PartialExchangeTest, BlamesPartialsInAnotherOrder) {
  const PartialExchange e = exchange(1);
  auto replies = blocks(1, e);
  std::swap(replies[0].items[0], replies[0].items[1]);
  EXPECT_NE(blame(e, 1, replies), "");
}

TEST_P(PartialExchangeTest, BlamesAnotherPartysShare) {
  const PartialExchange e = exchange(1);
  EXPECT_NE(blame(e, 1, blocks(0, e)), "");  // index and share of party 0
  auto replies = blocks(0, e);
  replies[0].index = 2;  // share of party 0 under its own index
  EXPECT_NE(blame(e, 1, replies), "");
}

TEST_P(PartialExchangeTest, BlamesAReplyToAnotherRequest) {
  const PartialExchange before = exchange(1);
  const PartialExchange e = exchange(1);
  const auto replayed = e.read(sealed(1, before, blocks(1, before)));
  ASSERT_FALSE(replayed);
  EXPECT_EQ(replayed.error().code(), Code::bad_proof);
  // The right reply key, but a proof for the other request.
  EXPECT_NE(blame(e, 1, blocks(1, before)), "");
}

// A party that relayed a reply knows the reply key, and could have sealed its own.
TEST_P(PartialExchangeTest, BlamesNobodyAloneForWhatWasPassedOn) {
  const PartialExchange before = exchange(1);
  const PartialExchange e = exchange(1);
  for (const Bytes& wrong : {sealed(1, before, blocks(1, before)), sealed(1, e, blocks(1, before))}) {
    const auto answers = e.read(1, wrong, 0);
    ASSERT_FALSE(answers);
    EXPECT_EQ(answers.error().code(), Code::bad_proof);
    EXPECT_EQ(answers.error().message().find("company agent"), 0u);
    EXPECT_NE(
        answers.error().message().find("or cloud agent \"cloud.example:8443\" which passed its reply on"),
        std::string::npos)
        << answers.error().message();
  }
  EXPECT_TRUE(e.read(1, sealed(1, e, blocks(1, e)), 0));
}

TEST_P(PartialExchangeTest, OneRequestServesAllParties) {
  const std::vector<std::size_t> parties{0, 1};
  const auto e = PartialExchange::make(run_.bundle, parties, files_, asker_, kNow, system_random());
  const auto cloud = must(e.read(0, sealed(0, e, blocks(0, e))));
  const auto company = must(e.read(1, sealed(1, e, blocks(1, e))));
  const std::vector<const PartialAnswer*> answers{&cloud[0], &company[0]};
  EXPECT_TRUE(combine(0, answers));
  const auto envelope = must(protocol::SignedRequest::parse_envelope(e.request()));
  EXPECT_EQ(envelope.request.audience.size(), 2u);
}

TEST_P(PartialExchangeTest, BlamesAReplyInAnotherName) {
  const PartialExchange e = exchange(1);
  const auto answers = e.read(sealed(0, e, blocks(1, e)));
  ASSERT_FALSE(answers);
  EXPECT_NE(answers.error().message().find("another party's name"), std::string::npos);
}

TEST_P(PartialExchangeTest, BlamesWhatIsNoReply) {
  const PartialExchange e = exchange(1);
  EXPECT_FALSE(e.read({}));
  Bytes reply = sealed(1, e, blocks(1, e));
  reply.back() ^= 1;
  EXPECT_FALSE(e.read(reply));
}

TEST_P(PartialExchangeTest, BlamesMissingFiles) {
  const PartialExchange e = exchange(1);
  auto replies = blocks(1, e);
  replies[0].items.pop_back();
  EXPECT_NE(blame(e, 1, replies), "");
}

TEST_P(PartialExchangeTest, SaysThatAPartyIsInAnotherEpoch) {
  const PartialExchange e = exchange(1);
  auto replies = blocks(1, e);
  replies[0].epoch = 1;
  const auto answers = e.read(sealed(1, e, replies));
  ASSERT_FALSE(answers);
  EXPECT_EQ(answers.error().code(), Code::conflict);
}

TEST_P(PartialExchangeTest, KeepsTheOthersWhenOneFileIsRefused) {
  const PartialExchange e = exchange(1);
  const auto request = must(protocol::SignedRequest::parse_envelope(e.request()));
  const std::vector<protocol::Element> bases = {files_[0].stanza->ciphertext.c1,
                                                files_[2].stanza->ciphertext.c1};
  PartialReply reply = block(2, bases, request.hash);
  reply.items.insert(
      reply.items.begin() + 1,
      {.status = ItemStatus::denied_by_file, .value = {}, .detail = "file policy does not allow it"});
  std::vector<PartialReply> replies;
  replies.push_back(std::move(reply));
  const auto answers = must(e.read(sealed(1, e, replies)));
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_TRUE(answers[0] && answers[2]);
  ASSERT_FALSE(answers[1]);
  EXPECT_EQ(answers[1].error().code(), Code::denied);
  EXPECT_EQ(answers[1].error().message(),
            "company agent \"company.example:8443\": denied: file policy does not allow it");
}

// A refusal belongs to a party if that party signed it, and no other party is blamed.
TEST_P(PartialExchangeTest, BelievesARefusalThatThePartySigned) {
  const PartialExchange e = exchange(1);
  const auto envelope = must(protocol::SignedRequest::parse_envelope(e.request()));
  const protocol::Refusal refusal{.code = Code::denied, .detail = "not enrolled", .request_id = {0xab}};
  const auto refused = [&](const protocol::SigningKey& identity) {
    return must(protocol::SealedReply::refuse(identity, refusal, envelope.request.reply_key, envelope.hash,
                                              system_random()));
  };
  const auto answers = must(e.read(refused(ceremony_.identity_keys[1]).encode()));
  ASSERT_EQ(answers.size(), files_.size());
  EXPECT_EQ(answers[2].error().code(), Code::denied);
  EXPECT_EQ(answers[2].error().message(),
            "company agent \"company.example:8443\": denied: not enrolled (request ab00000000000000)");
  // Forged by an attacker who has only seen the request.
  auto made_up = refused(ceremony_.identity_keys[0]);
  EXPECT_EQ(e.read(made_up.encode()).error().code(), Code::bad_proof);
  made_up.party = ceremony_.identity_keys[1].public_key().bytes();
  EXPECT_EQ(e.read(made_up.encode()).error().code(), Code::bad_proof);
}

// The proof of a header is public. An agent that calls a valid one altered is named, and the file is not.
TEST_P(PartialExchangeTest, BlamesAnAgentThatCallsASoundHeaderAltered) {
  const PartialExchange e = exchange(1);
  const auto request = must(protocol::SignedRequest::parse_envelope(e.request()));
  const std::vector<protocol::Element> bases = {files_[0].stanza->ciphertext.c1,
                                                files_[2].stanza->ciphertext.c1};
  std::vector<PartialReply> replies;
  replies.push_back(block(2, bases, request.hash));
  replies[0].items.insert(
      replies[0].items.begin() + 1,
      {.status = ItemStatus::bad_proof, .value = {}, .detail = "its proof does not hold"});
  const auto answers = must(e.read(sealed(1, e, replies)));
  EXPECT_TRUE(answers[0] && answers[2]);
  ASSERT_FALSE(answers[1]);
  EXPECT_EQ(answers[1].error().code(), Code::bad_proof);
  EXPECT_TRUE(answers[1].error().message().starts_with(
      "company agent \"company.example:8443\" refuses a sound header as altered"))
      << answers[1].error().message();
}

TEST_P(PartialExchangeTest, FindsForItselfThatAHeaderIsAltered) {
  protocol::Stanza changed{.key_id = files_[0].stanza->key_id,
                           .ciphertext = {.c1 = files_[1].stanza->ciphertext.c1,
                                          .u_bar = files_[0].stanza->ciphertext.u_bar,
                                          .c2 = files_[0].stanza->ciphertext.c2,
                                          .e = files_[0].stanza->ciphertext.e,
                                          .f = files_[0].stanza->ciphertext.f.clone()}};
  const LockedFile altered{.header = files_[0].header, .stanza = &changed};
  const PartialExchange e = exchange(1, std::span(&altered, 1));
  std::vector<PartialReply> replies;
  replies.push_back({.index = 2, .epoch = run_.bundle.epoch(), .items = {}, .proof = {}});
  replies[0].items.push_back({.status = ItemStatus::bad_proof, .value = {}, .detail = "anything"});
  const auto answers = must(e.read(sealed(1, e, replies)));
  ASSERT_FALSE(answers[0]);
  EXPECT_EQ(answers[0].error().code(), Code::altered);
  EXPECT_EQ(answers[0].error().message(), "header is altered: proof of the ciphertext does not hold");
}

// Such a partial cannot be proven unless the batch proof is broken. So only this comparison reveals it.
TEST_P(PartialExchangeTest, NamesTheAgentWhosePartialsInABatchAndAloneDiffer) {
  const protocol::Element one = files_[0].stanza->ciphertext.c1, other = files_[1].stanza->ciphertext.c1;
  const auto answer = [](std::uint8_t index, const protocol::Element& value) {
    return PartialAnswer(std::vector<IndexedPartial>{{.index = index, .value = value}});
  };
  const PartialAnswer first = answer(1, one), second = answer(2, one);
  const PartialAnswer first_changed = answer(1, other), second_changed = answer(2, other);
  const PartialAnswer refused = Error(Code::denied, "denied");
  using Answers = std::vector<const PartialAnswer*>;
  const auto blamed = [this](const Answers& in_batch, const Answers& alone) -> std::string {
    const auto same = check_same_partials(run_.bundle, in_batch, alone);
    if (same) return "";
    EXPECT_EQ(same.error().code(), Code::bad_proof);
    const std::string& why = same.error().message();
    const std::size_t end = why.find(" sent different partial decryptions of one file, in a batch and alone");
    EXPECT_NE(end, std::string::npos) << why;
    return why.substr(0, end);
  };
  const std::string cloud = agent_name(run_.bundle.parameters()->parties[0]);
  const std::string company = agent_name(run_.bundle.parameters()->parties[1]);
  EXPECT_EQ(blamed({&first, &second}, {&second, &first}), "");
  EXPECT_EQ(blamed({&first, &second}, {&first, &second_changed}), company);
  EXPECT_EQ(blamed({&second_changed, &first}, {&first, &second}), company);
  EXPECT_EQ(blamed({&first, &second}, {&first_changed, &second}), cloud);
  EXPECT_EQ(blamed({&first, &second}, {&first_changed, &second_changed}), cloud + ", " + company);
  // An agent that answered only once cannot contradict itself.
  EXPECT_EQ(blamed({&first, &refused}, {&first, &second_changed}), "");
  EXPECT_EQ(blamed({&first, &second}, {&first, &refused}), "");
}

TEST_P(PartialExchangeTest, SaysWhyThereIsNoQuorum) {
  const auto cloud = honest_answers(0);
  const PartialAnswer unreachable = Error(Code::unavailable, "company agent does not answer");
  const PartialAnswer denied = Error(Code::denied, "company agent: denied");
  const PartialAnswer altered = Error(Code::altered, "header is altered");
  const auto code_of = [&](const PartialAnswer& a, const PartialAnswer& b) {
    const PartialAnswer* const answers[] = {&a, &b};
    const auto m = combine(0, answers);
    EXPECT_FALSE(m);
    return m.error().code();
  };
  EXPECT_EQ(code_of(cloud[0], unreachable), Code::unavailable);
  EXPECT_EQ(code_of(denied, unreachable), Code::denied);
  EXPECT_EQ(code_of(unreachable, denied), Code::denied);
  EXPECT_EQ(code_of(denied, altered), Code::altered);
  const PartialAnswer too = Error(Code::unavailable, "cloud agent does not answer");
  const PartialAnswer* const both[] = {&unreachable, &too};
  EXPECT_EQ(combine(0, both).error().message(), "company agent does not answer; cloud agent does not answer");
  // An error of the client's own certificate, for instance, concerns no agent.
  const PartialAnswer* const same[] = {&unreachable, &unreachable};
  EXPECT_EQ(combine(0, same).error().message(), "company agent does not answer");
  const PartialAnswer* const twice_altered[] = {&altered, &altered};
  EXPECT_EQ(combine(0, twice_altered).error().message(), "header is altered");
}

}  // namespace
}  // namespace coprotect::client
