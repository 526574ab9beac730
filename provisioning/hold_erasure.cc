#include "provisioning/hold_erasure.h"

#include <algorithm>
#include <iostream>
#include <set>

#include "hsm/agent_folder.h"
#include "hsm/erasure_holds.h"
#include "provisioning/agent_identity.h"
#include "provisioning/agent_store.h"
#include "provisioning/as_owner.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using hsm::ErasureHolds;
using protocol::KeyId;

// Fewer digits could match two keys.
constexpr std::size_t kLeastDigits = 16;

std::string command(const HoldErasureOptions& options, const KeyId& key_id) {
  return "coprotect-provision hold-erasure --dir " + options.directory.string() + " " + to_hex(key_id);
}

Status show(const ErasureHolds& holds, const std::set<KeyId>& keys, const HoldErasureOptions& options) {
  for (const KeyId& key_id : keys) {
    const auto said = holds.of(key_id);
    std::cout << to_hex(key_id) << "  ";
    if (!said)
      std::cout << "cannot be verified, so the agent holds: " << said.error().message() << '\n';
    else if (!*said || !(*said)->held)
      std::cout << "not held\n";
    else
      std::cout << "held\n  release it    " << command(options, key_id) << " --release\n";
  }
  if (keys.empty()) std::cout << "this agent has no key\n";
  return Done{};
}

// Searches the agent's keys, and those that already have a hold. A mistyped key_id would hold nothing.
Result<KeyId> find(const std::set<KeyId>& keys, const std::string& digits) {
  if (digits.size() < kLeastDigits)
    return Error(Code::malformed, "a key is named by at least the first 16 digits of its key_id");
  const auto is_named = [&](const KeyId& key_id) { return to_hex(key_id).starts_with(digits); };
  const auto count = std::ranges::count_if(keys, is_named);
  if (count > 1) return Error(Code::conflict, "several keys begin with " + digits + ": give more digits");
  if (count == 0)
    return with_hint(Error(Code::not_found, "this agent has no key " + digits),
                     "without a key the command shows the agent's keys");
  return *std::ranges::find_if(keys, is_named);
}

}  // namespace

Status hold_erasure(const HoldErasureOptions& options, const Operator& person, std::int64_t now_ms) {
  const AsOwner as_owner(options.directory);
  const auto agent = AgentIdentity::open(options.directory, options.token_helper);
  if (!agent) return agent.error();
  const ErasureHolds holds(options.directory, agent->keyring);
  auto keys = known_keys(hsm::state_of(options.directory) / "store.db");
  if (!keys) return std::move(keys).error();
  const auto all = holds.all();
  if (!all) return all.error();
  for (const auto& entry : *all) keys->insert(entry.key_id);
  if (options.key.empty()) return show(holds, *keys, options);
  const auto key_id = find(*keys, options.key);
  if (!key_id) return key_id.error();
  const auto present = holds.of(*key_id);
  if (!present) person.warn("what was said before is replaced: " + present.error().message());
  if (present && *present && (*present)->held != options.release) {
    std::cout << (options.release ? "released already\n" : "held already\n");
    return Done{};
  }
  if (options.release && !options.yes)
    if (auto sure = person.confirm("type yes if this agent may erase the shares of key " + to_hex(*key_id) +
                                       " once a key list destroys it: ",
                                   "yes");
        !sure)
      return sure;
  if (!is_in_use(hsm::state_of(options.directory) / "store.db"))
    person.warn(
        "no agent runs in \"" + options.directory.string() +
        "\": if it is a backup or a copy, this holds nothing; name the folder of the agent that runs");
  if (auto said = holds.put(*key_id, !options.release, now_ms); !said) return std::move(said).error();
  if (options.release)
    std::cout << "released: the agent erases what is due\n";
  else
    std::cout
        << "held: the agent takes this within seconds, or at its next start, and its log says so. If the "
           "log says that it came too late, the erasure had begun\n"
        << "  release it    " << command(options, *key_id) << " --release\n";
  return Done{};
}

}  // namespace coprotect::provisioning
