#include "provisioning/key_overview.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "protocol/base/text.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/handover/holder_group.h"
#include "provisioning/key_states.h"
#include "provisioning/registry.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;
using protocol::KeyId;
using protocol::KeyList;
using protocol::KeyUse;

// The folder's list, if there is one.
Result<std::optional<Bytes>> kept_list(const fs::path& directory) {
  auto kept = client::read_small_file(directory / kKeyLists.file, kMaxFile);
  if (kept) return std::optional(std::move(*kept));
  if (kept.error().code() == Code::not_found) return std::optional<Bytes>();
  return std::move(kept).error();
}

struct Newest {
  std::optional<Bytes> list;
  std::string agents;
};

Result<Newest> newest(const fs::path& directory, const Bundle& first) {
  auto kept = kept_list(directory);
  if (!kept) return std::move(kept).error();
  const auto administrator = ClientDirectory::load(directory / "admin" / "config.toml");
  if (!administrator)
    return Newest{std::move(*kept), "the agents were not asked: " + administrator.error().message()};
  SignedLists lists(kKeyLists, first, {administrator->certificate}, administrator->key);
  auto found = lists.newest(*kept);
  if (!found && found.error().code() == Code::not_found)
    return Newest{std::nullopt, "there is no key list yet: keys are as they were made"};
  if (!found) return Newest{std::move(*kept), "no agent answers with a list: " + found.error().message()};
  if (lists.fork())
    return Newest{*kept, lists.fork()->what + ". Shown is " +
                             (*kept ? "the list in this folder" : "how the keys were made") +
                             ", which the next key-state signs over both"};
  std::string agents =
      lists.someone_lacks(*found)
          ? "an agent has an older list or cannot be reached: key-state, run again, gives it "
            "this one"
          : "both agents have this list";
  return Newest{std::move(*found), std::move(agents)};
}

std::string_view purpose_of(const FurtherKey& key) {
  return key.bundle.parameters()->purpose == protocol::Purpose::derive ? "derive" : "envelope";
}

// One line of the overview.
struct Line {
  KeyId key_id;
  const KeyList::Entry* entry;  // null if no list names it
  const FurtherKey* folder;     // null if it has none here
  Erasure erasure = {};         // its agents' reports, if it is to be destroyed
};

// Reports what is unknown.
void ask_for_erasure(Line& line, const std::string& name, const client::Credentials& administrator,
                     Random& random) {
  if (line.folder == nullptr || line.entry == nullptr || line.entry->use != KeyUse::destroyed) return;
  line.erasure = Erasure::ask(line.folder->bundle, administrator, random);
  for (const std::string& why : line.erasure.silent)
    std::cerr << printable(name) << ": " << printable(why) << '\n';
  for (const Erasure::Agent& agent : line.erasure.agents)
    if (!agent.problem.empty())
      std::cerr << "the " << agent.name << " agent: erasure of " << printable(name) << ": "
                << printable(agent.problem) << '\n';
}

std::string state_text(const KeyList::Entry& entry, const Erasure& erasure, std::int64_t now_ms) {
  const std::string when = utc_text(entry.effective_ms);
  const std::string use(protocol::key_use_name(entry.use));
  if (entry.use != KeyUse::destroyed) return use + " since " + when;
  if (erasure.at_all_agents()) return use + ": its shares are erased at all its agents";
  return use + (entry.effective_ms <= now_ms ? ": its shares are due to be erased since " + when
                                             : ": its shares are to be erased on " + when);
}

void print(const Line& line, const KeyOverview& overview, std::int64_t now_ms) {
  std::cout << overview.name_of(line.key_id) << '\n'
            << "  key_id   " << to_hex(line.key_id) << '\n'
            << "  state    "
            << (line.entry ? state_text(*line.entry, line.erasure, now_ms)
                           : "as it was made: not on the key list")
            << '\n';
  for (const Erasure::Agent& agent : line.erasure.agents)
    if (agent.erased || agent.held)
      std::cout << "  erasure  " << (agent.erased ? "done at the " : "held by the operator of the ")
                << agent.name << " agent\n";
  if (line.folder != nullptr)
    std::cout << "  purpose  " << purpose_of(*line.folder) << ", "
              << protocol::suite_name(line.folder->bundle.parameters()->suite) << '\n';
}

void print_json(const Line& line, const KeyOverview& overview) {
  nlohmann::ordered_json json = {{"name", overview.name_of(line.key_id)}, {"key_id", to_hex(line.key_id)}};
  if (line.entry != nullptr) {
    json["state"] = protocol::key_use_name(line.entry->use);
    json["effective"] = utc_text(line.entry->effective_ms);
  }
  for (const Erasure::Agent& agent : line.erasure.agents) {
    if (agent.held) json["held"].push_back(agent.name);
    if (agent.erased) json["erased"].push_back(agent.name);
  }
  if (line.folder != nullptr) {
    json["purpose"] = purpose_of(*line.folder);
    json["suite"] = protocol::suite_name(line.folder->bundle.parameters()->suite);
  }
  std::cout << json.dump() << '\n';
}

}  // namespace

Result<KeyOverview> KeyOverview::read(const fs::path& directory, std::int64_t now_ms) {
  const auto first = first_bundle(directory);
  if (!first) return first.error();
  auto keys = all_keys(directory, *first);
  if (!keys) return std::move(keys).error();
  auto found = newest(directory, *first);
  if (!found) return std::move(found).error();
  auto list = found->list ? KeyList::parse(*found->list, first->parameters()->client_ca)
                          : Result<KeyList>(starting_list(*first, now_ms));
  if (!list) return std::move(list).error();
  return KeyOverview{std::move(*keys), *std::move(list), std::move(found->agents)};
}

const FurtherKey* KeyOverview::folder_of(const KeyId& key_id) const {
  const auto found =
      std::ranges::find(keys, key_id, [](const FurtherKey& key) { return key.bundle.key_id(); });
  return found == keys.end() ? nullptr : &*found;
}

std::string KeyOverview::name_of(const KeyId& key_id) const {
  const FurtherKey* const key = folder_of(key_id);
  return key == nullptr ? to_hex(key_id) : key->name;
}

Result<KeyId> KeyOverview::find(const std::string& key) const {
  const auto named = std::ranges::find(keys, key, &FurtherKey::name);
  if (named != keys.end()) return named->bundle.key_id();
  const auto bytes = from_hex(key);
  KeyId key_id{};
  if (bytes && bytes->size() == key_id.size()) {
    std::ranges::copy(*bytes, key_id.begin());
    if (list.find(key_id) != nullptr || folder_of(key_id) != nullptr) return key_id;
  }
  return with_hint(Error(Code::not_found, "no key \"" + key + "\" is known"),
                   "coprotect-provision keys shows names and key_ids");
}

bool Erasure::at_all_agents() const {
  return silent.empty() && !agents.empty() && std::ranges::all_of(agents, &Agent::erased);
}

Erasure Erasure::ask(const Bundle& bundle, const client::Credentials& administrator, Random& random) {
  Erasure erasure;
  const auto not_known = [&](const std::string& who, const Error& why) {
    erasure.silent.push_back(
        who + " did not say whether the key's shares are erased, or the erasure is held: " + why.message());
  };
  auto holders = HolderGroup::look(bundle, administrator, random);
  if (!holders) {
    not_known("the agents", holders.error());
    return erasure;
  }
  for (const HolderGroup::Member& member : holders->members()) {
    if (!member.holds_now) continue;
    if (!member.status) {
      not_known("the " + member.agent->name() + " agent", member.status.error());
      continue;
    }
    const auto& condition = member.status->condition;
    erasure.agents.push_back({.name = member.agent->name(),
                              .erased = condition.erased,
                              .held = condition.erasure_held,
                              .problem = condition.erasure});
  }
  return erasure;
}

Status show_keys(const ShowKeysOptions& options, std::int64_t now_ms, Random& random) {
  const auto overview = KeyOverview::read(options.directory, now_ms);
  if (!overview) return overview.error();
  std::vector<Line> lines;
  for (const auto& entry : overview->list.keys)
    lines.push_back({entry.key_id, &entry, overview->folder_of(entry.key_id)});
  for (const FurtherKey& key : overview->keys)
    if (overview->list.find(key.bundle.key_id()) == nullptr)
      lines.push_back({key.bundle.key_id(), nullptr, &key});
  if (const auto administrator = ClientDirectory::load(options.directory / "admin" / "config.toml"))
    for (Line& line : lines) ask_for_erasure(line, overview->name_of(line.key_id), *administrator, random);
  for (const Line& line : lines) options.json ? print_json(line, *overview) : print(line, *overview, now_ms);
  std::cerr << printable(overview->agents) << '\n';
  return Done{};
}

}  // namespace coprotect::provisioning
