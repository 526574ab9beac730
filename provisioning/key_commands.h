#pragma once

#include <CLI/CLI.hpp>

#include "provisioning/key_overview.h"
#include "provisioning/key_state.h"
#include "provisioning/rotation.h"

namespace coprotect::provisioning {

// The invitation files of both agents' operators for a new key.
void add_invitation_options(CLI::App& command, std::filesystem::path& cloud, std::filesystem::path& company);
// The descriptors for a new key's secrets.
void add_secret_options(CLI::App& command, Operator::Descriptors& descriptors);
// For commands that seal the client CA's key again.
void add_ca_memory_option(CLI::App& command, std::uint32_t& memory_mib);
// The client CA's passphrase, for every command that signs.
void add_passphrase_option(CLI::App& command, Operator::Descriptors& descriptors);

// The commands for the lifecycle of keys: rotate, key-state, keys.
class KeyCommands {
 public:
  // Both, and `this`, must outlive the parsing.
  void add_to(CLI::App& app, Operator::Descriptors& descriptors);
  // Nothing if none of these commands was given.
  std::optional<Status> run(const CLI::App& app, const Operator& person, Random& random);

 private:
  void add_rotate(CLI::App& app, Operator::Descriptors& descriptors);
  void add_key_state(CLI::App& app, Operator::Descriptors& descriptors);

  RotateOptions rotate_;
  KeyStateOptions state_;
  ShowKeysOptions show_;
  std::string suite_;
  std::string use_;
  std::uint64_t wait_seconds_ = 0;
};

}  // namespace coprotect::provisioning
