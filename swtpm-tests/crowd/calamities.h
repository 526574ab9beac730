#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>

#include "swtpm-tests/crowd/adversary.h"
#include "swtpm-tests/crowd/scene.h"

namespace coprotect::harness::crowd {

// The cloud's disk takes no more, then does for a moment, and so on.
class FullDisk : public Adversary {
 public:
  explicit FullDisk(Scene& scene) : scene_(scene) {}
  std::string name() const override { return "a disk that fills again and again"; }
  void prepare() override { scene_.use_twin({"COPROTECT_FAIL_WRITES=1"}); }
  void begin() override { set(true); }
  void step(std::chrono::milliseconds since_begin) override;
  void end() override;
  std::optional<std::string> harms() const override { return "cloud"; }
  bool ends_processes() const override { return true; }

 private:
  void set(bool full);
  Scene& scene_;
  bool full_ = false;
};

// Fronts, relays and a token's helper are killed, one after another. The custodian starts each again.
class KilledProcesses : public Adversary {
 public:
  explicit KilledProcesses(Scene& scene) : scene_(scene) {}
  std::string name() const override { return "processes of agents killed"; }
  void begin() override { killed_ = 0; }
  void step(std::chrono::milliseconds since_begin) override;
  void end() override {}
  std::string account() const override { return std::to_string(killed_) + " were killed"; }
  std::string why_repeated() const override { return "what was under way in the process is lost with it"; }
  bool ends_processes() const override { return true; }
  std::optional<std::chrono::milliseconds> limit() const override { return std::chrono::seconds(1); }

 private:
  Scene& scene_;
  std::size_t killed_ = 0;
};

// Whole agents are killed and started again at once, as by a service manager that does not wait.
class KilledAgents : public Adversary {
 public:
  explicit KilledAgents(Scene& scene) : scene_(scene) {}
  std::string name() const override { return "whole agents killed and started again"; }
  void begin() override { killed_ = 0; }
  void step(std::chrono::milliseconds since_begin) override;
  void end() override {}
  std::string account() const override {
    return std::to_string(killed_) + " were killed; the last one began again within " +
           std::to_string(started_within_.count()) + " ms";
  }
  std::string why_repeated() const override { return "an agent that is not there cannot be asked"; }
  bool ends_processes() const override { return true; }
  std::optional<std::chrono::milliseconds> limit() const override { return std::chrono::seconds(1); }

 private:
  Scene& scene_;
  std::size_t killed_ = 0;
  std::chrono::milliseconds started_within_{};
};

// The clock of the cloud's custodian jumps ahead and back by so much.
class JumpingClock : public Adversary {
 public:
  JumpingClock(Scene& scene, std::chrono::seconds by);
  ~JumpingClock() override;
  std::string name() const override;
  void prepare() override;
  void begin() override {}
  void step(std::chrono::milliseconds since_begin) override;
  void end() override;
  std::optional<std::string> harms() const override;
  // A request is too old or too new, and so may the client's certificate be.
  std::set<Code> excuses() const override { return {Code::unavailable, Code::stale, Code::unauthenticated}; }
  bool ends_processes() const override { return true; }

 private:
  using Seconds = std::atomic<std::int64_t>;
  Scene& scene_;
  const std::chrono::seconds by_;
  std::filesystem::path file_;
  Seconds* ahead_;  // shared with the twin
};

}  // namespace coprotect::harness::crowd
