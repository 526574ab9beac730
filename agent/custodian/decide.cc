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

// Why the share must not be used on an item, and the status that reports it.
struct Objection {
  ItemStatus status;
  std::string detail;
};

std::optional<Objection> objection_to(const protocol::PartialItem& item, protocol::Action action,
                                      const Client& client, std::int64_t now_ms) {
  const Key& key = *client.key;
  const auto core = protocol::Core::parse(item.core);
  if (!core) return Objection{ItemStatus::malformed, core.error().message()};
  if (core->suite != key.parameters()->suite)
    return Objection{ItemStatus::malformed, "the file is of another suite than the key"};
  if (item.stanza_type != protocol::kStanzaTdh2)
    return Objection{ItemStatus::malformed, "unknown stanza type"};

  if (!item.capsule) return Objection{ItemStatus::malformed, item.capsule.error().message()};

  if (auto allowed = check_file_policy(core->policy, action, client, now_ms); !allowed) {
    const bool unreadable = allowed.error().code() == Code::malformed;
    return Objection{unreadable ? ItemStatus::malformed : ItemStatus::denied_by_file,
                     allowed.error().message()};
  }

  const Digest label = protocol::stanza_label(protocol::sha256(item.core), item.stanza_type, key.key_id());
  if (auto proven = protocol::verify(key.bundle->public_key(), *item.capsule, label); !proven)
    return Objection{ItemStatus::bad_proof, proven.error().message()};
  return std::nullopt;
}

}  // namespace

Result<std::vector<Decision>> decide(const protocol::Request& request, const Client& client,
                                     std::int64_t now_ms, const Interest& caller) {
  std::vector<Decision> decisions;
  if (const auto* const files = std::get_if<protocol::PartialDecryptBody>(&request.body)) {
    for (const auto& item : files->items) {
      if (auto wanted = caller.check(decisions.size(), files->items.size()); !wanted)
        return std::move(wanted).error().in("judging");
      auto objection = objection_to(item, request.action, client, now_ms);
      const auto base = item.capsule ? std::optional(item.capsule->c1) : std::nullopt;
      decisions.push_back({base, item.c1_hash, objection ? objection->status : ItemStatus::done,
                           objection ? std::move(objection->detail) : std::string()});
    }
  }
  if (const auto* const derivation = std::get_if<protocol::DeriveBody>(&request.body))
    for (const auto& peer : derivation->peers)
      decisions.push_back({peer, protocol::sha256(peer.encode()), ItemStatus::done, {}});
  return decisions;
}

}  // namespace coprotect::agent::custodian
