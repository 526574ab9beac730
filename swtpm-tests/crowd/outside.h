#pragma once

#include <string>
#include <vector>

#include "swtpm-tests/crowd/scene.h"

namespace coprotect::harness::crowd {

// Processes of crowd_program (crowd_program.cc), which share nothing with the honest clients of this process.
class Outside {
 public:
  explicit Outside(Scene& scene) : scene_(scene) {}

  void start(const std::vector<std::string>& arguments);
  // A client, to one agent, with so many threads.
  void start(const std::string& what, const Client& client, const std::filesystem::path& bundle,
             const std::string& party, unsigned threads) {
    start({what, client.config.string(), bundle.string(), party, std::to_string(threads)});
  }
  // Ends all; whatever is under way is left to the agents.
  void end();
  // What those that were ended met with.
  const std::string& account() const { return account_; }

 private:
  struct Process {
    Daemon daemon;
    std::filesystem::path says;
  };
  Scene& scene_;
  std::vector<Process> running_;
  std::string account_;
};

}  // namespace coprotect::harness::crowd
