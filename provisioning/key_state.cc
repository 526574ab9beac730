#include "provisioning/key_state.h"

#include <iostream>

#include "protocol/base/text.h"
#include "protocol/recovery/kit.h"
#include "provisioning/affected_files.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/key_overview.h"
#include "provisioning/key_states.h"
#include "provisioning/registry.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::KeyId;
using protocol::KeyList;
using protocol::KeyUse;

constexpr std::chrono::seconds kUsualWait = std::chrono::days(30);
// The agents' clocks differ, and they count from the arrival of the list. So a thousandth is added.
constexpr int kMarginPart = 1000;

std::int64_t effective_time(const KeyStateOptions& options, std::int64_t now_ms) {
  if (options.use != KeyUse::destroyed) return now_ms;
  const std::chrono::milliseconds wait = options.wait.value_or(kUsualWait);
  return now_ms + (wait + wait / kMarginPart).count();
}

// Whether the list already says so. A new waiting time is a change.
bool says_already(const KeyList& list, const KeyId& key_id, const KeyStateOptions& options) {
  const KeyList::Entry* const entry = list.find(key_id);
  return entry != nullptr && entry->use == options.use && !options.wait;
}

Status check_purpose(const KeyOverview& overview, const KeyId& key_id, KeyUse use) {
  const FurtherKey* const key = overview.folder_of(key_id);
  if (use == KeyUse::encrypts && key != nullptr &&
      key->bundle.parameters()->purpose != protocol::Purpose::envelope)
    return Error(Code::denied, "key \"" + key->name + "\" is of purpose derive: it encrypts no files");
  return Done{};
}

void show_files(std::string_view what, const std::vector<fs::path>& files) {
  for (const fs::path& file : files) std::cout << "    " << what << printable(file.string()) << '\n';
}

void show_not_known(const AffectedFiles& found) {
  if (found.looked_at == 0) std::cout << "            no encrypted file was found there\n";
  show_files("could not be read: ", found.unknown);
  show_files("not followed: ", found.not_looked_at);
  std::cout << "            not encrypted: " << found.others
            << " files; could not be read: " << found.unknown.size()
            << "; links and the like, not followed: " << found.not_looked_at.size()
            << "\n            of what is elsewhere nothing is known\n";
}

// Prints which files would become unreadable, as far as known.
Status show_affected(const KeyStateOptions& options, const KeyId& key_id, const KeyList& list) {
  if (options.files.empty()) {
    std::cout << "  files     not looked for: --files FOLDER lists those that nobody could open any more\n";
    return Done{};
  }
  const auto found = affected_files(options.files, key_id, list);
  if (!found) return found.error();
  std::cout << "  files     " << found->unreadable.size() << " of " << found->looked_at
            << " encrypted files that were found can be opened with this key alone\n";
  show_files("", found->unreadable);
  if (!found->unreadable.empty())
    std::cout << "            coprotect rewrap -r FOLDER gives them the newest key\n";
  show_not_known(*found);
  return Done{};
}

// Prints the effect of the change.
Status show_plan(const KeyStateOptions& options, const KeyOverview& overview, const KeyId& key_id,
                 std::int64_t effective_ms) {
  const KeyList::Entry* const before = overview.list.find(key_id);
  std::cout << "key \"" << overview.name_of(key_id) << "\"\n"
            << "  key_id    " << to_hex(key_id) << '\n'
            << "  now       "
            << (before ? protocol::key_use_name(before->use) : std::string_view("as it was made")) << '\n'
            << "  then      " << protocol::key_use_name(options.use) << '\n';
  const KeyList::Entry* const encrypting = overview.list.encrypting();
  const bool was_encrypting = encrypting != nullptr && encrypting->key_id == key_id;
  if (was_encrypting && options.use != KeyUse::encrypts)
    std::cout
        << "            no key encrypts then: clients refuse to, until rotate or key-state … encrypts\n";
  if (!was_encrypting && encrypting != nullptr && options.use == KeyUse::encrypts)
    std::cout << "            \"" << overview.name_of(encrypting->key_id) << "\" only decrypts then\n";
  if (options.use != KeyUse::destroyed) return Done{};
  std::cout
      << "  at once   both agents refuse the key\n"
      << "  " << utc_text(effective_ms)
      << "  both agents erase its shares and recovery blobs, for good; until they have, another state takes "
         "it back\n";
  return show_affected(options, key_id, overview.list);
}

// The folder's path for the key's kit, though the company should keep the kit elsewhere.
fs::path kit_file(const KeyStateOptions& options, const KeyOverview& overview, const FurtherKey& key) {
  const bool first = &key == &overview.keys.front();
  return (first ? options.directory : options.directory / kFurtherKeys / key.name) / (key.name + ".kit");
}

bool holds_client_ca(const fs::path& file) {
  const auto encoded = client::read_small_file(file, kMaxFile);
  const auto kit =
      encoded ? protocol::RecoveryKit::parse(*encoded) : Result<protocol::RecoveryKit>(encoded.error());
  return kit && kit->holds_client_ca();
}

// Prints what the company would lose with the kit of a key that it no longer uses.
void show_kit(const KeyStateOptions& options, const KeyOverview& overview, const KeyId& key_id) {
  if (options.use != KeyUse::disabled && options.use != KeyUse::destroyed) return;
  std::string others;
  for (const FurtherKey& key : overview.keys) {
    const KeyList::Entry* const entry = overview.list.find(key.bundle.key_id());
    const bool lost = entry != nullptr && entry->use == KeyUse::destroyed;
    if (key.bundle.key_id() == key_id || lost || !holds_client_ca(kit_file(options, overview, key))) continue;
    others += (others.empty() ? "" : ", ") + key.name + ".kit";
  }
  if (!others.empty())
    std::cout << "  kit       " << others
              << " holds the client CA's key, too: a lost company is restored without this key's kit\n";
  else
    std::cout
        << "  kit       of the kits in this folder no other one holds the client CA's key, without which a "
           "lost company\n            is not restored: keep this key's kit and code, whatever becomes of "
           "the key, until\n            new-code --key NAME has made a kit of a key for files that is in "
           "use\n";
}

// Checks that a destruction can still be undone, that is, while an agent has shares. An agent that has erased
// its shares accepts no list that says otherwise.
Status check_taken_back(const KeyStateOptions& options, const KeyOverview& overview, const KeyId& key_id,
                        const Operator& person, Random& random) {
  const KeyList::Entry* const before = overview.list.find(key_id);
  const FurtherKey* const key = overview.folder_of(key_id);
  if (options.use == KeyUse::destroyed || before == nullptr || before->use != KeyUse::destroyed ||
      key == nullptr)
    return Done{};
  const auto administrator = ClientDirectory::load(options.directory / "admin" / "config.toml");
  if (!administrator) return Done{};  // the agents will say so when they get the list
  const Erasure erasure = Erasure::ask(key->bundle, *administrator, random);
  if (erasure.at_all_agents())
    return Error(Code::conflict, "key \"" + overview.name_of(key_id) +
                                     "\" is destroyed: all its agents have erased their shares");
  for (const Erasure::Agent& agent : erasure.agents)
    if (agent.erased)
      person.warn("the " + agent.name +
                  " agent has erased its shares of the key, and refuses this list and all that follow it");
  return Done{};
}

Status change(const KeyStateOptions& options, const KeyOverview& overview, const KeyId& key_id,
              const Operator& person, std::int64_t now_ms, Random& random) {
  auto registry = Registry::open(options.directory, person, now_ms, random);
  if (!registry) return std::move(registry).error();
  auto list = registry->keys(now_ms);
  if (!list) return std::move(list).error();
  bool dropped = false;
  if (options.drop_unknown) {
    const std::vector<KeyId> strangers = keys_not_of(*list, overview.keys);
    for (const KeyId& stranger : strangers)
      std::erase_if(list->keys, [&](const KeyList::Entry& entry) { return entry.key_id == stranger; });
    dropped = !strangers.empty();
    std::cout << "left out " << strangers.size() << " keys that this folder did not make\n";
  }
  if (says_already(*list, key_id, options) && list->serial > 0 && !dropped) {
    if (auto given = registry->publish_keys_again(); !given) return given;
  } else {
    // Reads the clock again, because typing took time.
    const std::int64_t now = provisioning::now_ms();
    auto next = with_use(*std::move(list), key_id, options.use, effective_time(options, now));
    if (auto given = registry->publish(std::move(next), now); !given) return given;
  }
  std::cout << "key \"" << overview.name_of(key_id) << "\" is " << protocol::key_use_name(options.use)
            << ": both agents have the key list that says so\n";
  return Done{};
}

}  // namespace

Status set_key_state(const KeyStateOptions& options, const Operator& person, std::int64_t now_ms,
                     Random& random) {
  const auto overview = KeyOverview::read(options.directory, now_ms);
  if (!overview) return overview.error();
  const auto key_id = overview->find(options.key);
  if (!key_id) return key_id.error();
  if (auto fits = check_purpose(*overview, *key_id, options.use); !fits) return fits;
  // Completing an earlier run asks no questions again.
  const bool known = says_already(overview->list, *key_id, options);
  const std::int64_t effective_ms = effective_time(options, now_ms);
  if (auto possible = check_taken_back(options, *overview, *key_id, person, random); !possible)
    return possible;
  const bool destroys = options.use == KeyUse::destroyed && !known;
  if (options.plan || destroys)
    if (auto shown = show_plan(options, *overview, *key_id, effective_ms); !shown) return shown;
  show_kit(options, *overview, *key_id);
  if (options.plan) return Done{};
  if (destroys && !options.yes)
    if (auto confirmed = person.confirm_key_id(*key_id); !confirmed) return confirmed;
  return change(options, *overview, *key_id, person, now_ms, random);
}

}  // namespace coprotect::provisioning
