#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "agent/ipc/channel.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {

// A folder of an agent's programs with another one in the place of `name`.
void install_programs(const std::filesystem::path& programs, const std::string& name,
                      const std::filesystem::path& other);

// The place of one of an agent's processes, in the test's own hands: a puppet is started there, and the test
// speaks to the custodian through its channel.
class PuppetPlace {
 public:
  // `name` is the process that the puppet replaces: "coprotect-front".
  PuppetPlace(const std::filesystem::path& programs, const std::string& name);

  // One life of the puppet, which ends with this.
  struct Puppet {
    std::unique_ptr<agent::ipc::Channel> program;
    std::unique_ptr<agent::ipc::Channel> channel;  // to the custodian
  };
  // Waits until the custodian starts the next one. Fails with an exception.
  Puppet accept() const;

 private:
  Fd listener_;
};

}  // namespace coprotect::harness
