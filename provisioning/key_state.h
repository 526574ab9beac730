#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/random.h"
#include "protocol/message/key_list.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

struct KeyStateOptions {
  std::string key;  // a name in the folder, or a key_id; the first key is named as its tenant
  protocol::KeyUse use = protocol::KeyUse::decrypt_only;
  std::filesystem::path directory;           // what onboard left
  std::vector<std::filesystem::path> files;  // where to look for what would become unreadable
  std::optional<std::chrono::seconds> wait;  // from now until the shares are erased; else 30 days
  bool yes = false;                          // the key_id need not be typed
  bool plan = false;                         // say what would change, and change nothing
  bool drop_unknown = false;                 // leave out what the folder has not
};

// Gives a key another state, at both agents. May be run again after any failure: it completes what is
// missing. Code::not_found for a key that neither the folder nor the list knows, Code::conflict for one that
// was destroyed.
Status set_key_state(const KeyStateOptions& options, const Operator& person, std::int64_t now_ms,
                     Random& random);

}  // namespace coprotect::provisioning
