#include "agent/custodian/decide.h"

#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::ItemStatus;

Status check_file_policy(ByteView policy_json, protocol::Action action, const Client& client,
                         std::int64_t now_ms) {
  const auto policy = protocol::Policy::parse(policy_json);
  if (!policy) return policy.error();
  return policy->check(client.identity.subject(), action, now_ms);
}

Decision decide_item(const protocol::PartialItem& item, protocol::Action action, const Client& client,
                     std::int64_t now_ms) {
  const Key& key = *client.key;
  const auto core = protocol::Core::parse(item.core);
  if (!core) return {ItemStatus::malformed, core.error().message()};
  if (core->suite != key.parameters()->suite)
    return {ItemStatus::malformed, "the file is of another suite than the key"};
  if (item.stanza_type != protocol::kStanzaTdh2) return {ItemStatus::malformed, "unknown stanza type"};

  if (auto allowed = check_file_policy(core->policy, action, client, now_ms); !allowed) {
    const bool unreadable = allowed.error().code() == Code::malformed;
    return {unreadable ? ItemStatus::malformed : ItemStatus::denied_by_file, allowed.error().message()};
  }

  const Digest label = protocol::stanza_label(protocol::sha256(item.core), item.stanza_type, key.key_id());
  if (auto proven = protocol::verify(key.bundle->public_key(), item.capsule, label); !proven)
    return {ItemStatus::bad_proof, proven.error().message()};
  return {ItemStatus::done, {}};
}

}  // namespace

std::vector<Decision> decide(const protocol::PartialDecryptBody& body, protocol::Action action,
                             const Client& client, std::int64_t now_ms) {
  std::vector<Decision> decisions;
  decisions.reserve(body.items.size());
  for (const auto& item : body.items) decisions.push_back(decide_item(item, action, client, now_ms));
  return decisions;
}

}  // namespace coprotect::agent::custodian
