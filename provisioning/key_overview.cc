#include "provisioning/key_overview.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "protocol/base/text.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
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

// The list in the folder, if there is one.
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
  if (!found && found.error().code() == Code::unavailable)
    return Newest{std::move(*kept), "no agent answers: " + found.error().message()};
  if (!found) return std::move(found).error();
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
};

std::string state_text(const KeyList::Entry& entry, std::int64_t now_ms) {
  const std::string when = utc_text(entry.effective_ms);
  const std::string use(protocol::key_use_name(entry.use));
  if (entry.use != KeyUse::destroyed) return use + " since " + when;
  return entry.effective_ms <= now_ms ? use + ": its shares were erased on " + when
                                      : use + ": its shares are erased on " + when;
}

void print(const Line& line, const KeyOverview& overview, std::int64_t now_ms) {
  std::cout << overview.name_of(line.key_id) << '\n'
            << "  key_id   " << to_hex(line.key_id) << '\n'
            << "  state    "
            << (line.entry ? state_text(*line.entry, now_ms) : "as it was made: not on the key list") << '\n';
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

Status show_keys(const ShowKeysOptions& options, std::int64_t now_ms) {
  const auto overview = KeyOverview::read(options.directory, now_ms);
  if (!overview) return overview.error();
  std::vector<Line> lines;
  for (const auto& entry : overview->list.keys)
    lines.push_back({entry.key_id, &entry, overview->folder_of(entry.key_id)});
  for (const FurtherKey& key : overview->keys)
    if (overview->list.find(key.bundle.key_id()) == nullptr)
      lines.push_back({key.bundle.key_id(), nullptr, &key});
  for (const Line& line : lines) options.json ? print_json(line, *overview) : print(line, *overview, now_ms);
  std::cerr << printable(overview->agents) << '\n';
  return Done{};
}

}  // namespace coprotect::provisioning
