#include "client/bundle_update.h"

#include <set>
#include <thread>

#include "client/agents.h"
#include "client/bundle_file.h"

namespace coprotect::client {
namespace {

using protocol::Bundle;
using protocol::Party;

// What an agent shows as the key's bundle, or why it shows none.
struct Shown {
  Party party;
  Result<Bundle> bundle;
};

Result<Bundle> fetch_from(const Party& party, const protocol::KeyId& key_id, const Credentials& credentials,
                          std::chrono::milliseconds deadline) {
  AgentClient agent = connect(party, credentials, deadline);
  const auto encoded = agent.get("/v1/keys/" + to_hex(key_id));
  if (!encoded) return encoded.error();
  auto bundle = Bundle::parse(*encoded);
  if (!bundle)
    return Error(Code::bad_proof,
                 agent_name(party) + " shows a bundle that does not hold: " + bundle.error().message());
  if (bundle->key_id() != key_id)
    return Error(Code::bad_proof, agent_name(party) + " shows the bundle of another key");
  return bundle;
}

// The agents of a bundle that were not asked yet.
class UnaskedAgents {
 public:
  std::vector<Party> next(const Bundle& bundle) {
    std::vector<Party> fresh;
    for (const Party& party : bundle.parameters()->parties)
      if (party.is_agent() && known_.emplace(party.identity_key.bytes(), party.url).second)
        fresh.push_back(party);
    return fresh;
  }

 private:
  std::set<std::pair<protocol::PublicKeyBytes, std::string>> known_;
};

std::vector<Shown> ask(const std::vector<Party>& parties, const protocol::KeyId& key_id,
                       const Credentials& credentials, std::chrono::milliseconds deadline) {
  std::vector<Shown> shown;
  for (const Party& party : parties)
    shown.push_back({.party = party, .bundle = Error(Code::unavailable, "not asked")});
  std::vector<std::jthread> threads;
  for (Shown& of_agent : shown)
    threads.emplace_back(
        [&] { of_agent.bundle = fetch_from(of_agent.party, key_id, credentials, deadline); });
  threads.clear();
  return shown;
}

}  // namespace

Result<Bundle> fetch_newest(const Bundle& own, const Credentials& credentials,
                            std::chrono::milliseconds deadline) {
  Bundle newest = own;
  std::string shown_by = "the bundle that is used here";
  bool answered = false;
  std::optional<Error> why;
  UnaskedAgents agents;
  for (auto parties = agents.next(newest); !parties.empty(); parties = agents.next(newest)) {
    for (Shown& shown : ask(parties, own.key_id(), credentials, deadline)) {
      if (!shown.bundle) {
        if (!why || shown.bundle.error().code() == Code::bad_proof) why = shown.bundle.error();
        continue;
      }
      answered = true;
      if (newest.extends(*shown.bundle)) continue;
      if (!shown.bundle->extends(newest))
        return Error(Code::altered, agent_name(shown.party) + " shows another history of the key than " +
                                        shown_by + ": one of them is not to be trusted");
      newest = *std::move(shown.bundle);
      shown_by = agent_name(shown.party);
    }
  }
  const bool newer = newest.epoch() != own.epoch();
  if (why && !newer && (!answered || why->code() == Code::bad_proof)) return *why;
  return newest;
}

Result<Bundle> update_bundle(const ConfiguredKey& key, const Credentials& credentials,
                             std::chrono::milliseconds deadline) {
  auto own = load_bundle(key.bundle, key.key_id);
  if (!own) return own;
  auto newest = fetch_newest(*own, credentials, deadline);
  if (!newest || newest->epoch() == own->epoch()) return newest;
  if (auto kept = keep_bundle(*newest, key.bundle); !kept) return std::move(kept).error().in("bundle");
  return newest;
}

}  // namespace coprotect::client
