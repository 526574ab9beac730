#pragma once

#include <chrono>
#include <vector>

#include "agent/custodian/keys.h"
#include "agent/custodian/record.h"
#include "protocol/message/chain.h"

namespace coprotect::agent::custodian {

// A client's request that is passed from party to party, as this agent sees it after doing its own part.
// Tracks the parties still to ask and the answers received. This agent carries the answers of others without
// trusting them: the client opens and verifies them.
class Chain {
 public:
  // `audience` lists the agents that the client addressed; `own` is this agent's sealed reply.
  Chain(KeyPtr key, std::span<const protocol::PublicKeyBytes> audience, protocol::ForwardMessage message,
        Bytes own, const RequestId& id);

  // The next party to ask, in the order of the key's parameters; null if none is left.
  const protocol::Party* next() const;
  const protocol::KeyId& key_id() const { return key_->key_id(); }
  // The message for next(), with time limit `budget`.
  Bytes message(std::chrono::milliseconds budget) const;
  // Records the answer of next(): its list, which may hold answers of parties behind it, or why there is
  // none. Counts one answer for each party, and only for parties still to be asked.
  void answered(const Result<Bytes>& list);

  // How many parties are still to be asked, and how long the sender waits in total.
  std::size_t missing() const { return missing_.size(); }
  std::chrono::milliseconds budget() const { return std::chrono::milliseconds(message_.budget_ms); }
  // Bytes held.
  std::size_t weight() const { return message_.request.size() + size_; }
  // The reply to the sender of the request.
  Bytes list() const { return list_.encode(); }

 private:
  protocol::PublicKeyBytes identity(std::size_t party) const;
  void add(std::size_t party, std::variant<Bytes, protocol::Refusal> answer);
  protocol::Refusal refusal(const Error& why) const;

  KeyPtr key_;
  protocol::ForwardMessage message_;
  RequestId id_;
  std::vector<std::size_t> missing_;  // positions among the key's parties, ascending
  protocol::ChainReply list_;
  std::size_t size_ = 0;  // of the list
};

}  // namespace coprotect::agent::custodian
