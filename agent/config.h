#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "agent/custodian/derive_policy.h"
#include "protocol/base/result.h"

namespace coprotect::agent {

// What agent.toml says. Its folder is the agent's directory.
struct Config {
  std::filesystem::path folder;
  std::string role;
  std::string url;
  std::string listen;
  std::string token;
  std::chrono::seconds hold;

  struct Tls {
    std::filesystem::path certificate;
    std::filesystem::path key;
  } tls;
  struct Limits {
    unsigned request_seconds;
    unsigned idle_seconds;
    unsigned connections;
  } limits;
  struct Policy {
    bool recover;
    bool sole_holder;  // whether this agent alone may hold enough shares of a key to use it
    std::uint64_t requests_per_key_per_day;
    std::chrono::seconds destroy_wait;  // from the list that destroys a key to the erasure of its shares
    std::optional<custodian::DerivePolicy> derive;
    struct Handover {
      std::chrono::seconds delay;  // what a recovery administrator announces waits
      bool announced;              // whether such a change then needs no approval of this agent's operator
      std::optional<std::filesystem::path> notify;
    } handover;
  } policy;
  std::chrono::seconds peers_every;  // between two rounds in which other agents are asked (exchanges.h)

  // Code::malformed, naming the key, for a key that is unknown, missing or of an impossible value.
  static Result<Config> load(const std::filesystem::path& file);
};

}  // namespace coprotect::agent
