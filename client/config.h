#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "client/via.h"
#include "protocol/file/header.h"

namespace coprotect::client {

// A key that a client trusts.
struct ConfiguredKey {
  protocol::KeyId key_id;  // the pin: no bundle of another key is used
  std::filesystem::path bundle;
  // Of a derive key, for programs that know nothing of agents (docs/integrations.md):
  std::string purpose = {};  // what agents are told that its secrets are for
  std::optional<std::filesystem::path> encryption_certificate = {};  // by which others encrypt to it
};

// A client's configuration: where the parts of its enrolment lie, and the keys that it trusts, of which the
// first one, usually the one for files, stands in it without a name.
struct Config : ConfiguredKey {
  std::filesystem::path file;                 // itself
  std::map<std::string, ConfiguredKey> keys;  // further ones, by the name that the client gave them
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::chrono::milliseconds deadline{30'000};  // of one request to an agent
  Via via{};
};

// Reads a configuration. Unknown or missing entries are errors (Code::malformed). Paths in it are relative to
// its folder.
Result<Config> read_config(const std::filesystem::path& file);

// [a-z0-9-]{1,32}
bool valid_key_name(std::string_view name);

// A further key, or the first one if the name is empty. Code::not_found if the configuration has no such key.
Result<ConfiguredKey> find_key(const Config& config, const std::string& name);

// $COPROTECT_CONFIG, else ~/.config/coprotect/config.toml.
std::filesystem::path default_config_file();

}  // namespace coprotect::client
