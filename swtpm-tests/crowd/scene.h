#pragma once

#include <memory>
#include <string>

#include "swtpm-tests/crowd/asking.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness::crowd {

// As good as no cap.
constexpr unsigned kUnlimited = 1'000'000'000;

// What the crowd is let loose on: two agents that hold three keys. Honest clients use the first one.
class Scene {
 public:
  Scene();

  System& system() { return system_; }
  Client enrol(const std::string& name);

  const protocol::Bundle& key() const { return *key_; }
  std::filesystem::path key_file() const { return system_.bundle(); }
  // Of ffdhe3072, whose operations are the dearest.
  const protocol::Bundle& dear_key() const { return *dear_key_; }
  std::filesystem::path dear_key_file() const { return system_.bundle("dear"); }
  // Nobody uses it, so that an agent that has started again needs its token for it.
  const protocol::Bundle& cold_key() const { return *cold_key_; }
  std::filesystem::path cold_key_file() const { return system_.bundle("cold"); }

  // "cloud" and "company".
  Agent& agent(const std::string& party) { return party == "cloud" ? system_.cloud() : system_.company(); }
  // How many requests of a client both agents answer in one day from now on.
  void allow_requests(unsigned a_day);
  // Restarts the cloud's agent as the twin that fails on demand; and as the program itself.
  void use_twin(const std::vector<std::string>& environment);
  void use_program();

 private:
  System system_;
  std::optional<protocol::Bundle> key_;
  std::optional<protocol::Bundle> dear_key_;
  std::optional<protocol::Bundle> cold_key_;
};

// Both agents, in the order in which they are asked.
inline const std::vector<std::string> kParties = {"cloud", "company"};

}  // namespace coprotect::harness::crowd
