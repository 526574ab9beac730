#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "agent/ipc/channel.h"
#include "agent/starter/messages.h"
#include "hsm/spawn.h"

namespace coprotect::agent {

// A process that starts programs for one that no longer can, because a sandbox also applies to everything
// that a process starts (docs/decisions/0026). It ends with this process. The programs that it started learn
// of its end as that of their parent.
class Starter : public hsm::Spawner {
 public:
  // A program that it may start, and its arguments. A compromised custodian can change nothing of this.
  struct Program {
    std::filesystem::path executable;
    std::vector<std::string> arguments;  // beginning with its name
    bool takes_more = false;             // whether the custodian may append arguments
    bool takes_environment = false;      // the starter's; otherwise none
  };
  // Call before entering the sandbox, from a thread that does not end early.
  static Result<std::unique_ptr<Starter>> begin(const std::filesystem::path& executable,
                                                const std::vector<Program>& programs,
                                                std::vector<std::string> environment = {});

  ~Starter() override;

  // Whether it is gone or hangs. The only remedy is to end this process, and the starter with it.
  bool lost() const { return lost_; }
  // Readable once it has ended.
  int handle() const { return process_.handle.get(); }

  // The environment is as begin() said, whatever is requested.
  Result<hsm::Spawned> start(const std::filesystem::path& executable, std::vector<std::string> arguments,
                             std::vector<std::string> environment, int channel, int its_channel) override;
  void signal_group(pid_t pid, int number) override;
  std::optional<int> reap(const hsm::Spawned& spawned) override;

 private:
  Starter(hsm::Spawned process, Fd channel) : process_(std::move(process)), channel_(std::move(channel)) {}

  Result<starter::Answer> ask(const starter::Order& order, std::span<const int> files = {},
                              std::vector<Fd>* received = nullptr);
  std::optional<starter::Answer> insist(const starter::Order& order);

  std::mutex mutex_;  // held for an order and its answer
  std::atomic<bool> lost_ = false;
  hsm::Spawned process_;
  ipc::Channel channel_;
};

}  // namespace coprotect::agent
