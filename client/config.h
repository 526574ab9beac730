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
  protocol::KeyId key_id;  // the pin: a bundle of another key is rejected
  std::filesystem::path bundle;
  // For a derive key and programs that know nothing of agents (docs/integrations.md):
  std::string purpose = {};                                          // the purpose that agents are told
  std::optional<std::filesystem::path> encryption_certificate = {};  // with which others encrypt to it
};

// A client's configuration: where the parts of its enrolment are, and which keys it trusts. The first key,
// usually the one for files, has no name in it.
struct Config : ConfiguredKey {
  std::filesystem::path file;                 // this configuration file
  std::map<std::string, ConfiguredKey> keys;  // further keys, by the name that the client gave them
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::chrono::milliseconds deadline{30'000};  // of one request to an agent
  Via via{};
};

// Reads a configuration. Code::malformed for unknown or missing entries. Paths in it are relative to its
// folder.
Result<Config> read_config(const std::filesystem::path& file);

// [a-z0-9-]{1,32}
bool valid_key_name(std::string_view name);

// A further key, or the first one if the name is empty. Code::not_found if the configuration has no such key.
Result<ConfiguredKey> find_key(const Config& config, const std::string& name);

// $COPROTECT_CONFIG, else ~/.config/coprotect/config.toml.
std::filesystem::path default_config_file();

}  // namespace coprotect::client
