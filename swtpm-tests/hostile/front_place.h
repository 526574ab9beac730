#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>

#include "swtpm-tests/hostile/puppet_place.h"

namespace coprotect::harness {

// The place of an agent's front, in the test's own hands: whatever talks to the custodian through channel()
// is, for the custodian, its coprotect-front.
class FrontPlace {
 public:
  // Restarts the agent with the test in the place of its front. Fails the calling test if that fails.
  FrontPlace(Agent& agent, std::filesystem::path programs);
  ~FrontPlace();
  FrontPlace(const FrontPlace&) = delete;
  FrontPlace& operator=(const FrontPlace&) = delete;

  // As the custodian sent them when this front began.
  const Bytes& limits() const { return front_->limits; }
  const Bytes& trust() const { return front_->trust; }
  agent::ipc::Channel& channel() { return *front_->puppet.channel; }
  // Stops the agent and starts it again.
  void restart();
  // Waits until the custodian, which ended this front, has started another.
  void renew() { front_ = accept(); }

 private:
  // One life of the front.
  struct Front {
    PuppetPlace::Puppet puppet;
    Bytes limits;
    Bytes trust;
  };
  // Takes the next front's channel and reports to the custodian that it is ready.
  std::unique_ptr<Front> accept() const;

  Agent& agent_;
  std::filesystem::path programs_;
  PuppetPlace place_;
  std::unique_ptr<Front> front_;
};

}  // namespace coprotect::harness
