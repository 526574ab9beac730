#pragma once

#include <memory>

#include "client/agent_client.h"
#include "client/held_bundle.h"
#include "client/partial_exchange.h"
#include "client/via.h"
#include "protocol/message/chain.h"

namespace coprotect::client {

// A share that the client itself holds: the recovery share, opened.
struct LocalShare {
  // The same in a newer epoch.
  using Renew = std::function<Result<LocalShare>(const protocol::Bundle&, const Credentials&)>;

  std::uint8_t index;
  protocol::Scalar share;
  Renew renew = {};
  std::optional<protocol::Bundle> bundle = {};  // whose epoch it is of; none: of the one that is held
};

// All agents of a key, asked together. Connections are kept between calls. One caller at a time. If too few
// answer because the key is in another epoch or at other parties now, the quorum asks the agents for the
// key's history and tries what they show, one bundle after another, until a quorum answers: at most
// kMaxCandidates + 1 requests more. It goes on from the bundle that is held, whatever it tries, so an agent
// that shows a version which nobody serves costs a request and no more.
class Quorum {
 public:
  // With a local share, one agent less is needed. A party that `via` names is an agent of the bundle.
  Quorum(HeldBundle bundle, Credentials credentials, protocol::Action action, std::string reason,
         std::chrono::milliseconds deadline, std::optional<LocalShare> local, Via via = {})
      : Quorum(std::move(bundle), std::make_shared<const Credentials>(std::move(credentials)), action,
               std::move(reason), deadline, std::move(local), std::move(via)) {}
  // The same with credentials that quorums of other keys use, too.
  Quorum(HeldBundle bundle, std::shared_ptr<const Credentials> credentials, protocol::Action action,
         std::string reason, std::chrono::milliseconds deadline, std::optional<LocalShare> local,
         Via via = {});

  // m of each file. Each agent is asked once: at the same time as the others, with a request of its own, and
  // once enough have answered the others have as much time again, a second at least; or,
  // via a chain, by the one before it, with a request for all. At most kMaxItems files and about
  // kMaxBatchSize. If the header's MAC does not hold with m of a batch, the file is asked for again alone:
  // then Code::bad_proof names an agent that gave another partial than in the batch.
  std::vector<Result<protocol::Element>> open(std::span<const LockedFile> files);
  // peer^s of each of a derive key's peers, encoded: the secret that the joint private key s shares with it.
  // Asked in the same way; at most kMaxItems. The reason is what the agents' policies know as the purpose.
  std::vector<Result<Secret>> derive(std::span<const protocol::Element> peers);

  const protocol::Bundle& bundle() const { return bundle_; }

 private:
  // Files of a batch that are asked for again alone. Whoever can alter files could make a client use up its
  // daily limits otherwise.
  static constexpr std::size_t kMaxAskedAlone = 8;
  struct Agent {
    std::size_t party;
    AgentClient client;
  };
  using Answers = std::vector<PartialAnswer>;  // one party's, for each item
  template <typename Item>
  std::vector<Answers> ask_all(std::span<const Item> items);
  template <typename Item>
  std::vector<Answers> ask_once(std::span<const Item> items);
  // With the local share's answers, if there is one.
  template <typename Item>
  std::vector<Answers> ask_each(std::span<const Item> items);
  static Answers ask(Agent& agent, const PartialExchange& exchange, const std::stop_token& stop);
  // The first agent that can be reached is asked for all.
  template <typename Item>
  std::vector<Answers> ask_along(std::span<const Item> items);
  std::vector<Answers> read_list(const PartialExchange& exchange, const Agent& asked, ByteView list) const;
  Answers read_entry(const PartialExchange& exchange, const Agent& agent, const Agent& asked,
                     const protocol::ChainReply::Entry& entry) const;
  const protocol::Party& party(const Agent& agent) const {
    return bundle_.parameters()->parties[agent.party];
  }
  Result<protocol::Element> open_alone(const LockedFile& file,
                                       std::span<const PartialAnswer* const> in_batch);
  Answers own_part(std::span<const LockedFile> files) const;
  Answers own_part(std::span<const protocol::Element> peers) const;

  void connect_agents();
  // Whether an item lacks answers, and an agent says that the key is not with it in this epoch, or the epoch
  // is a candidate's.
  bool key_moved(const std::vector<Answers>& answers) const;
  // Whether an item has enough answers.
  bool has_quorum(const std::vector<Answers>& answers) const;
  // Whether all do, with the local share's.
  bool suffices(const std::vector<Answers>& answers, const Answers& own) const;
  // `answers` lacks a quorum, since the key moved. What a quorum says in another epoch, or what says most
  // about why none does.
  template <typename Item>
  std::vector<Answers> follow(std::span<const Item> items, std::vector<Answers> answers);
  // What follow() tries: the bundle that is held by now, then candidates. Not the one in use.
  std::vector<protocol::Bundle> to_try(const Result<ShownHistory>& history) const;
  // Confirms the bundle in use, in which `answers` were given, if agents with t shares refuse the epoch
  // before it: they erased that one, which they do once all agents acknowledged this one.
  template <typename Item>
  void confirm(std::span<const Item> items, const std::vector<Answers>& answers);
  void use(const protocol::Bundle& bundle);
  // The local share in the bundle's epoch; nothing if there is no local share.
  Result<std::optional<LocalShare>> renewed(const protocol::Bundle& bundle) const;

  HeldBundle held_;
  protocol::Bundle bundle_;                         // as this quorum uses it
  std::shared_ptr<const Credentials> credentials_;  // asker_ and the clients refer to them
  Asker asker_;
  std::chrono::milliseconds deadline_;
  Via via_;
  std::vector<Agent> agents_;
  std::optional<LocalShare> local_;
  std::optional<Digest> unconfirmed_;  // the newest_hash of what confirm() was tried with last
};

}  // namespace coprotect::client
