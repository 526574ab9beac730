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
};

// A client's configuration: where the parts of its enrolment lie, and the key that it trusts.
struct Config {
  std::filesystem::path file;  // itself
  protocol::KeyId key_id;      // of its first key, the one for files
  std::filesystem::path bundle;
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
