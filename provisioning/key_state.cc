#include "provisioning/key_state.h"

#include <iostream>

#include "protocol/base/text.h"
#include "provisioning/affected_files.h"
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
// The agents' clocks differ, and they count from when the list comes: a thousandth more than was asked for.
constexpr int kMarginPart = 1000;

std::int64_t effective_time(const KeyStateOptions& options, std::int64_t now_ms) {
  if (options.use != KeyUse::destroyed) return now_ms;
  const std::chrono::milliseconds wait = options.wait.value_or(kUsualWait);
  return now_ms + (wait + wait / kMarginPart).count();
}

// Whether the list says it already. A new waiting time is something new.
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

// What would become unreadable, as far as it is known.
Status show_affected(const KeyStateOptions& options, const KeyId& key_id, const KeyList& list) {
  if (options.files.empty()) {
    std::cout << "  files     not looked for: --files FOLDER lists those that nobody could open any more\n";
    return Done{};
  }
  const auto found = affected_files(options.files, key_id, list);
  if (!found) return found.error();
  std::cout << "  files     " << found->unreadable.size() << " of " << found->looked_at
            << " encrypted files that were found can be opened with this key alone\n";
  for (const fs::path& file : found->unreadable) std::cout << "    " << printable(file.string()) << '\n';
  for (const fs::path& file : found->unknown)
    std::cout << "    could not be read: " << printable(file.string()) << '\n';
  if (!found->unreadable.empty())
    std::cout << "            coprotect rewrap -r FOLDER gives them the newest key\n";
  return Done{};
}

// What the change comes to.
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
      << "  both agents erase its shares and recovery blobs, for good; until then another state takes it "
         "back\n";
  return show_affected(options, key_id, overview.list);
}

Status change(const KeyStateOptions& options, const KeyOverview& overview, const KeyId& key_id,
              const Operator& person, std::int64_t now_ms, Random& random) {
  auto registry = Registry::open(options.directory, person, now_ms, random);
  if (!registry) return std::move(registry).error();
  auto list = registry->keys(now_ms);
  if (!list) return std::move(list).error();
  if (says_already(*list, key_id, options) && list->serial > 0) {
    if (auto given = registry->publish_keys_again(); !given) return given;
  } else {
    // Typing took its time.
    const std::int64_t now = provisioning::now_ms();
    auto next = with_use(*std::move(list), key_id, options.use, effective_time(options, now), now);
    if (!next) return std::move(next).error();
    if (auto given = registry->publish(*std::move(next), now); !given) return given;
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
  // Completing what an earlier run began asks for nothing anew.
  const bool known = says_already(overview->list, *key_id, options);
  const std::int64_t effective_ms = effective_time(options, now_ms);
  if (auto possible = with_use(overview->list, *key_id, options.use, effective_ms, now_ms);
      !possible && !known)
    return std::move(possible).error();
  const bool destroys = options.use == KeyUse::destroyed && !known;
  if (options.plan || destroys)
    if (auto shown = show_plan(options, *overview, *key_id, effective_ms); !shown) return shown;
  if (options.plan) return Done{};
  if (destroys && !options.yes)
    if (auto confirmed = person.confirm_key_id(*key_id); !confirmed) return confirmed;
  return change(options, *overview, *key_id, person, now_ms, random);
}

}  // namespace coprotect::provisioning
