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
  std::string key;  // a name in the folder, or a key_id; the first key has its tenant's name
  protocol::KeyUse use = protocol::KeyUse::decrypt_only;
  std::filesystem::path directory;           // the folder that onboard made
  std::vector<std::filesystem::path> files;  // where to look for files that would become unreadable
  std::optional<std::chrono::seconds> wait;  // until the shares are erased; default 30 days
  bool yes = false;                          // skips typing the key_id
  bool plan = false;                         // says what would change, and changes nothing
  bool drop_unknown = false;                 // leaves out keys that the folder does not have
};

// Changes a key's state at both agents. It can be run again after any failure, and completes what is missing.
// Code::not_found for a key that neither the folder nor the list knows, Code::conflict for a destroyed one.
Status set_key_state(const KeyStateOptions& options, const Operator& person, std::int64_t now_ms,
                     Random& random);

}  // namespace coprotect::provisioning
