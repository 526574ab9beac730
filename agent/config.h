#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "agent/custodian/settings.h"
#include "agent/ipc/messages.h"
#include "hsm/agent_folder.h"
#include "protocol/base/result.h"

namespace coprotect::agent {

// What agent.toml says. Its folder is the agent's directory.
struct Config {
  std::filesystem::path file;
  std::filesystem::path folder;
  // What the agent writes, in its folder.
  std::filesystem::path state() const { return hsm::state_of(folder); }
  std::string role;
  std::string url;
  std::string listen;
  std::string token;
  std::chrono::seconds hold;

  struct Tls {
    std::filesystem::path certificate;
    std::filesystem::path key;
    bool operator==(const Tls&) const = default;
  } tls;
  using Limits = ipc::Limits;
  Limits limits;
  struct Policy {
    bool recover;
    bool sole_holder;                 // whether this agent alone may hold enough shares of a key to use it
    std::uint8_t agents_of_new_keys;  // how many at most hold shares of a key when it is made
    custodian::RequestCaps requests;
    std::chrono::seconds destroy_wait;  // from the list that destroys a key to the erasure of its shares
    std::optional<custodian::DerivePolicy> derive;
    struct Handover {
      std::chrono::seconds delay;  // what a recovery administrator announces waits
      bool announced;              // whether such a change then needs no approval of this agent's operator
      std::optional<std::filesystem::path> notify;
      bool operator==(const Handover&) const = default;
    } handover;
    bool operator==(const Policy&) const = default;
  } policy;
  std::chrono::seconds peers_every;  // between two rounds in which other agents are asked (exchanges.h)

  // Code::malformed, naming the key, for a key that is unknown, missing or of an impossible value.
  static Result<Config> load(const std::filesystem::path& file);
  bool operator==(const Config&) const = default;
};

}  // namespace coprotect::agent
