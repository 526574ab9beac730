#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "client/config.h"
#include "protocol/bundle/bundle.h"

namespace coprotect::client {

// What the command line says. Secrets never stand there.
struct Options {
  std::vector<std::string> inputs;
  std::optional<std::string> output;
  bool recursive = false;
  bool force = false;
  bool json = false;
  std::optional<std::string> config;
  std::optional<std::string> bundle;
  std::optional<std::string> key_id;
  // encrypt
  std::optional<std::string> policy;
  std::vector<std::string> allow_users;
  std::vector<std::string> allow_groups;
  // decrypt
  std::string reason;
  std::optional<std::string> via;
  bool recover = false;
  std::optional<std::string> kit;
  std::optional<int> code_fd;
  // public-key
  std::string key_name;  // empty: the first key
};

// The configuration that was named, or the one at its usual place if there is one there.
Result<std::optional<Config>> find_config(const Options& options);

// The bundle to use: the one that was named, else the configured one; pinned by --key-id, else by the
// configuration. Code::denied if its key is not for files.
Result<protocol::Bundle> find_bundle(const Options& options, const std::optional<Config>& config);

}  // namespace coprotect::client
