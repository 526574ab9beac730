#pragma once

#include <chrono>
#include <filesystem>
#include <optional>

#include "protocol/file/header.h"

namespace coprotect::client {

// A client's configuration: where the parts of its enrolment lie, and the key that it trusts.
struct Config {
  std::filesystem::path file;  // itself
  protocol::KeyId key_id;      // the pin: no bundle of another key is used
  std::filesystem::path bundle;
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::chrono::milliseconds deadline{30'000};  // of one request to an agent
};

// Reads a configuration. Unknown or missing entries are errors (Code::malformed). Paths in it are relative to
// its folder.
Result<Config> read_config(const std::filesystem::path& file);

// $COPROTECT_CONFIG, else ~/.config/coprotect/config.toml.
std::filesystem::path default_config_file();

}  // namespace coprotect::client
