#include "client/bundle_update.h"

#include <algorithm>
#include <set>
#include <thread>

#include "client/agents.h"

namespace coprotect::client {
namespace {

using protocol::Bundle;
using protocol::Party;

// More agents than any honest history contains.
constexpr std::size_t kMaxAsked = 64;

// The bundle that an agent shows, or the reason why it shows none.
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

// The agents of bundles that have not been asked yet.
class UnaskedAgents {
 public:
  void add_to(std::vector<Party>& fresh, const Bundle& bundle) {
    for (const Party& party : bundle.parameters()->parties)
      if (party.is_agent() && known_.size() < kMaxAsked &&
          known_.emplace(party.identity_key.bytes(), party.url).second)
        fresh.push_back(party);
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

bool is_wrong(Code code) {
  return code == Code::altered || code == Code::bad_proof;
}

bool same(const Bundle& one, const Bundle& other) {
  return one.extends(other) && other.extends(one);
}

// All bundles that extend `own`.
Result<std::vector<ShownBundle>> ask_all(const Bundle& own, const Credentials& credentials,
                                         std::chrono::milliseconds deadline) {
  std::vector<ShownBundle> newer;
  bool answered = false;
  std::optional<Error> why;
  const auto note = [&](Error error) {
    if (!why || (is_wrong(error.code()) && !is_wrong(why->code()))) why = std::move(error);
  };
  UnaskedAgents agents;
  std::vector<Party> parties;
  agents.add_to(parties, own);
  while (!parties.empty()) {
    std::vector<Party> further;
    for (Shown& shown : ask(parties, own.key_id(), credentials, deadline)) {
      if (!shown.bundle) {
        note(std::move(shown.bundle).error());
        continue;
      }
      answered = true;
      if (own.extends(*shown.bundle)) continue;
      if (!shown.bundle->extends(own)) {
        note(Error(Code::altered, agent_name(shown.party) + " shows another history of the key than the "
                                                            "bundle that is used here: one of them is not "
                                                            "to be trusted"));
        continue;
      }
      agents.add_to(further, *shown.bundle);
      newer.push_back({.agent = shown.party.identity_key.bytes(), .bundle = *std::move(shown.bundle)});
    }
    parties = std::move(further);
  }
  if (why && newer.empty() && (!answered || is_wrong(why->code()))) return *std::move(why);
  return newer;
}

}  // namespace

bool shown_by_quorum(const Bundle& bundle, const std::vector<ShownBundle>& shown) {
  const protocol::Sharing* const before = bundle.sharing_before();
  if (before == nullptr) return true;  // key_id pins it
  std::size_t shares = 0;
  for (const Party& party : before->parameters->parties) {
    const auto shows_it = [&](const ShownBundle& one) {
      return one.agent == party.identity_key.bytes() && one.bundle.extends(bundle);
    };
    if (party.is_agent() && std::ranges::any_of(shown, shows_it)) shares += party.indices.size();
  }
  return shares >= before->parameters->t;
}

Bundle first_bundle(const std::vector<ShownBundle>& shown) {
  const Bundle* newest = nullptr;
  for (const ShownBundle& one : shown)
    if ((newest == nullptr || one.bundle.epoch() > newest->epoch()) && shown_by_quorum(one.bundle, shown))
      newest = &one.bundle;
  return newest != nullptr ? *newest : shown.front().bundle.with_versions(0);
}

Result<ShownHistory> ask_history(const Bundle& own, const Credentials& credentials,
                                 std::chrono::milliseconds deadline) {
  const auto newer = ask_all(own, credentials, deadline);
  if (!newer) return newer.error();
  ShownHistory history{.confirmed = own, .candidates = {}};
  for (const ShownBundle& shown : *newer)
    if (shown.bundle.epoch() > history.confirmed.epoch() && shown_by_quorum(shown.bundle, *newer))
      history.confirmed = shown.bundle;

  const auto goes_on = [&](const Bundle& bundle) {
    return bundle.extends(history.confirmed) && !history.confirmed.extends(bundle);
  };
  const auto is_candidate = [&](const Bundle& bundle) {
    return std::ranges::any_of(history.candidates, [&](const Bundle& one) { return same(one, bundle); });
  };
  const auto shown_by = [&](const Bundle& bundle) {
    return std::ranges::count_if(*newer, [&](const ShownBundle& one) { return same(one.bundle, bundle); });
  };
  for (const ShownBundle& shown : *newer)
    if (goes_on(shown.bundle) && !is_candidate(shown.bundle)) history.candidates.push_back(shown.bundle);
  std::ranges::stable_sort(history.candidates, std::greater<>(),
                           [&](const Bundle& bundle) { return std::pair(shown_by(bundle), bundle.epoch()); });
  if (history.candidates.size() > kMaxCandidates)
    history.candidates.erase(history.candidates.begin() + kMaxCandidates, history.candidates.end());
  return history;
}

}  // namespace coprotect::client
