#pragma once

#include <memory>

#include "client/agent_client.h"
#include "client/held_bundle.h"
#include "client/partial_exchange.h"
#include "client/via.h"
#include "protocol/message/chain.h"

namespace coprotect::client {

// A share that the client itself holds: the opened recovery share.
struct LocalShare {
  // Returns the same share in a newer epoch.
  using Renew = std::function<Result<LocalShare>(const protocol::Bundle&, const Credentials&)>;

  std::uint8_t index;
  protocol::Scalar share;
  Renew renew = {};
  std::optional<protocol::Bundle> bundle = {};  // the bundle of its epoch; none: the held one
};

// All agents of a key, asked together. Keeps connections between calls. One caller at a time. If too few
// answer because the key has moved to another epoch or other parties, the quorum asks the agents for the
// key's history. It tries what they show, one bundle after another, until a quorum answers: at most
// kMaxCandidates + 1 further requests. It always continues from the held bundle. So an agent that shows a
// version which no agent serves costs one request.
class Quorum {
 public:
  // A local share replaces one agent. A party that `via` names must be an agent of the bundle.
  Quorum(HeldBundle bundle, Credentials credentials, protocol::Action action, std::string reason,
         std::chrono::milliseconds deadline, std::optional<LocalShare> local, Via via = {})
      : Quorum(std::move(bundle), std::make_shared<const Credentials>(std::move(credentials)), action,
               std::move(reason), deadline, std::move(local), std::move(via)) {}
  // The same with credentials that quorums of other keys share.
  Quorum(HeldBundle bundle, std::shared_ptr<const Credentials> credentials, protocol::Action action,
         std::string reason, std::chrono::milliseconds deadline, std::optional<LocalShare> local,
         Via via = {});

  // m of each file. Asks each agent once. In parallel, each agent gets its own request, and once enough have
  // answered, the others have as much time again, at least a second. In a chain, each agent is asked by the
  // one before it, and one request addresses all. At most kMaxItems files and about kMaxBatchSize. If the
  // header's MAC does not match m of a batch, the file is asked for again alone: then Code::bad_proof names
  // an agent that gave another partial than in the batch.
  std::vector<Result<protocol::Element>> open(std::span<const LockedFile> files);
  // peer^s for each peer of a derive key, encoded: the secret that the joint private key s shares with the
  // peer. Asked in the same way. At most kMaxItems. The agents' policies treat the reason as the purpose.
  std::vector<Result<Secret>> derive(std::span<const protocol::Element> peers);

  const protocol::Bundle& bundle() const { return bundle_; }

 private:
  // At most this many files of a batch are asked for again alone. Otherwise an attacker who can alter files
  // could use up the client's daily limits.
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
  // Includes the local share's answers, if there is one.
  template <typename Item>
  std::vector<Answers> ask_each(std::span<const Item> items);
  static Answers ask(Agent& agent, const PartialExchange& exchange, const std::stop_token& stop);
  // Asks the first reachable agent for all.
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
  // Whether an item lacks answers, and either an agent says that it does not have the key in this epoch or
  // the epoch is a candidate's.
  bool key_moved(const std::vector<Answers>& answers) const;
  // Whether some item has enough answers.
  bool has_quorum(const std::vector<Answers>& answers) const;
  // Whether all items have enough answers, with the local share's.
  bool suffices(const std::vector<Answers>& answers, const Answers& own) const;
  // Called when `answers` lacks a quorum because the key moved. Returns a quorum's answers in another epoch,
  // or the ones that best explain the failure.
  template <typename Item>
  std::vector<Answers> follow(std::span<const Item> items, std::vector<Answers> answers);
  // The bundles that follow() tries: the one held now, then candidates. Never the one in use.
  std::vector<protocol::Bundle> to_try(const Result<ShownHistory>& history) const;
  // Confirms the bundle in use, for which `answers` were given, if agents with t shares refuse the epoch
  // before it. They erase that epoch only after all agents acknowledged this one.
  template <typename Item>
  void confirm(std::span<const Item> items, const std::vector<Answers>& answers);
  void use(const protocol::Bundle& bundle);
  // The local share in the bundle's epoch. Nothing if there is no local share.
  Result<std::optional<LocalShare>> renewed(const protocol::Bundle& bundle) const;

  HeldBundle held_;
  protocol::Bundle bundle_;                         // the bundle in use
  std::shared_ptr<const Credentials> credentials_;  // asker_ and the clients refer to them
  Asker asker_;
  std::chrono::milliseconds deadline_;
  Via via_;
  std::vector<Agent> agents_;
  std::optional<LocalShare> local_;
  std::optional<Digest> unconfirmed_;  // newest_hash of the bundle last tried in confirm()
};

}  // namespace coprotect::client
