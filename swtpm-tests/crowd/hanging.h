#pragma once

#include <vector>

#include "swtpm-tests/crowd/adversary.h"
#include "swtpm-tests/crowd/outside.h"

namespace coprotect::harness::crowd {

// The company's agent hangs, with its connections open, while a client has the cloud's pass requests on to
// it.
class HangingPeer : public Adversary {
 public:
  explicit HangingPeer(Scene& scene) : scene_(scene), client_(scene.enrol("chains")), outside_(scene) {}
  ~HangingPeer() override { resume(); }
  std::string name() const override { return "a peer that hangs, asked again and again"; }
  void begin() override;
  void end() override;
  std::string account() const override { return outside_.account(); }
  std::optional<std::string> harms() const override { return "company"; }

 private:
  void resume();
  Scene& scene_;
  const Client client_;
  std::vector<pid_t> stopped_;
  Outside outside_;
};

// The cloud's chip hangs, while a client asks for a key whose share is still in it. The share that honest
// clients use is in the agent's memory.
class HangingChip : public Adversary {
 public:
  explicit HangingChip(Scene& scene) : scene_(scene), client_(scene.enrol("cold")), outside_(scene) {}
  ~HangingChip() override { scene_.system().tpm().resume(); }
  std::string name() const override { return "a chip that hangs, asked again and again"; }
  void prepare() override;
  void begin() override;
  // Waits until the agent has noticed that the chip answers again.
  void end() override;
  std::string account() const override { return outside_.account(); }

 private:
  Scene& scene_;
  const Client client_;
  Outside outside_;
};

}  // namespace coprotect::harness::crowd
