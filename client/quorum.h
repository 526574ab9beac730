#pragma once

#include <memory>

#include "client/agent_client.h"
#include "client/enrolment.h"
#include "client/partial_exchange.h"

namespace coprotect::client {

// A share that the client itself holds: the recovery share, opened.
struct LocalShare {
  std::uint8_t index;
  protocol::Scalar share;
};

// All agents of a key, asked together. Connections are kept between calls. One caller at a time.
class Quorum {
 public:
  // `credentials` outlives the quorum. With a local share, one agent less is needed.
  Quorum(protocol::Bundle bundle, const Credentials& credentials, protocol::Action action, std::string reason,
         std::chrono::milliseconds deadline, std::optional<LocalShare> local);

  // m of each file. Each agent is asked once, at the same time as the others, with a request of its own. At
  // most kMaxItems files and about kMaxBatchSize.
  std::vector<Result<protocol::Element>> open(std::span<const LockedFile> files);
  // peer^s of each of a derive key's peers, encoded: the secret that the joint private key s shares with it.
  // Asked in the same way; at most kMaxItems. The reason is what the agents' policies know as the purpose.
  std::vector<Result<Secret>> derive(std::span<const protocol::Element> peers);

  const protocol::Bundle& bundle() const { return bundle_; }

 private:
  struct Agent {
    std::size_t party;
    AgentClient client;
  };
  using Answers = std::vector<PartialAnswer>;  // one party's, for each item
  template <typename Item>
  std::vector<Answers> ask_all(std::span<const Item> items);
  static Answers ask(Agent& agent, const PartialExchange& exchange);
  Answers own_part(std::span<const LockedFile> files) const;
  Answers own_part(std::span<const protocol::Element> peers) const;

  protocol::Bundle bundle_;
  Asker asker_;
  std::vector<Agent> agents_;
  std::optional<LocalShare> local_;
};

}  // namespace coprotect::client
