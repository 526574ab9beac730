#pragma once

#include <chrono>
#include <vector>

#include "agent/custodian/keys.h"
#include "agent/custodian/record.h"
#include "protocol/message/chain.h"

namespace coprotect::agent::custodian {

// A client's request that is passed from party to party, at this agent: this agent has done its own part, and
// keeps track of who is still to be asked and what came back. What others answer is not believed, only
// carried: the client opens and verifies it.
class Chain {
 public:
  // `audience` is whom the client addressed, `own` this agent's sealed reply.
  Chain(KeyPtr key, std::span<const protocol::PublicKeyBytes> audience, protocol::ForwardMessage message,
        Bytes own, const RequestId& id);

  // The party to be asked now, in the order of the key's parameters; null when nobody is left.
  const protocol::Party* next() const;
  const protocol::KeyId& key_id() const { return key_->key_id(); }
  // The message for next(), which is given `budget`.
  Bytes message(std::chrono::milliseconds budget) const;
  // What next() answered: its own list, which may hold the answers of parties behind it, or why there is
  // none. A party's answer counts once, and only of those who were still to be asked.
  void answered(const Result<Bytes>& list);

  // How many parties are still to be asked, and how long the sender waits for all of this.
  std::size_t missing() const { return missing_.size(); }
  std::chrono::milliseconds budget() const { return std::chrono::milliseconds(message_.budget_ms); }
  // Bytes that it holds.
  std::size_t weight() const { return message_.request.size() + size_; }
  // The answer to whoever sent the request here.
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
