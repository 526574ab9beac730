#include "agent/custodian/chain.h"

#include <algorithm>

#include "agent/ipc/messages.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::PublicKeyBytes;
using protocol::Refusal;

// The list is a reply's body; refusals always find room.
constexpr std::size_t kMaxReplies = ipc::kMaxBody - (std::size_t{64} << 10);

bool contains(std::span<const PublicKeyBytes> keys, const PublicKeyBytes& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

}  // namespace

Chain::Chain(KeyPtr key, std::span<const PublicKeyBytes> audience, protocol::ForwardMessage message,
             Bytes own, const RequestId& id)
    : key_(std::move(key)), message_(std::move(message)), id_(id) {
  const auto& parties = key_->parameters()->parties;
  for (std::size_t i = 0; i < parties.size(); ++i)
    if (i != key_->self && parties[i].is_agent() && contains(audience, identity(i)) &&
        !contains(message_.visited, identity(i)))
      missing_.push_back(i);
  add(key_->self, std::move(own));
}

PublicKeyBytes Chain::identity(std::size_t party) const {
  return key_->parameters()->parties[party].identity_key.bytes();
}

Refusal Chain::refusal(const Error& why) const {
  return Refusal::of(why, id_);
}

const protocol::Party* Chain::next() const {
  return missing_.empty() ? nullptr : &key_->parameters()->parties[missing_.front()];
}

// The next party need not ask the parties that were already asked, nor those that this agent asks itself: it
// gets only the missing parties.
Bytes Chain::message(std::chrono::milliseconds budget) const {
  protocol::ForwardMessage message{
      .request = message_.request, .visited = {}, .budget_ms = static_cast<std::uint32_t>(budget.count())};
  const auto& parties = key_->parameters()->parties;
  for (std::size_t i = 0; i < parties.size(); ++i)
    if (parties[i].is_agent() && std::find(missing_.begin(), missing_.end(), i) == missing_.end())
      message.visited.push_back(identity(i));
  return message.encode();
}

void Chain::add(std::size_t party, std::variant<Bytes, Refusal> answer) {
  if (const auto* const reply = std::get_if<Bytes>(&answer)) {
    if (reply->empty() || reply->size() > kMaxReplies - size_)
      answer = refusal(Error(Code::malformed, "its reply is too large for one answer"));
    else
      size_ += reply->size();
  }
  list_.entries.push_back({.party = identity(party), .answer = std::move(answer)});
  std::erase(missing_, party);
}

void Chain::answered(const Result<Bytes>& answer) {
  const std::size_t asked = missing_.front();
  const auto list = answer ? protocol::ChainReply::parse(*answer) : answer.error();
  if (!list) return add(asked, refusal(list.error()));
  for (const auto& entry : list->entries) {
    const auto party = std::find_if(missing_.begin(), missing_.end(),
                                    [&](std::size_t i) { return identity(i) == entry.party; });
    if (party != missing_.end()) add(*party, entry.answer);
  }
  if (!missing_.empty() && missing_.front() == asked)
    add(asked, refusal(Error(Code::malformed, "its list of replies has none of its own")));
}

}  // namespace coprotect::agent::custodian
