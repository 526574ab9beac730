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

// The contents of agent.toml. The agent's directory is the folder that holds it.
struct Config {
  std::filesystem::path file;
  std::filesystem::path folder;
  // Where the agent writes, in its folder.
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
    bool sole_holder;                 // whether this agent may hold enough shares to use a key alone
    std::uint8_t agents_of_new_keys;  // the most agents that hold shares of a new key
    custodian::RequestCaps requests;
    std::chrono::seconds destroy_wait;  // from the list that destroys a key to the erasure of its shares
    std::optional<custodian::DerivePolicy> derive;
    struct Handover {
      std::chrono::seconds delay;  // how long a recovery administrator's announcement waits
      bool announced;              // whether it then needs no approval by this agent's operator
      std::optional<std::filesystem::path> notify;
      bool operator==(const Handover&) const = default;
    } handover;
    bool operator==(const Policy&) const = default;
  } policy;
  std::chrono::seconds peers_every;  // between two rounds of questions to other agents (exchanges.h)

  // Code::malformed, naming the key, for a key that is unknown, missing or has an invalid value.
  static Result<Config> load(const std::filesystem::path& file);
  bool operator==(const Config&) const = default;
};

}  // namespace coprotect::agent
