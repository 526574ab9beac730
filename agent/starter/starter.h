#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "agent/ipc/channel.h"
#include "agent/starter/messages.h"
#include "hsm/spawn.h"

namespace coprotect::agent {

// A process that starts programs for one that cannot do so itself any more, since a sandbox holds for all
// that a process starts (docs/decisions/0026). It ends with this process, and those that it started learn of
// its end as of their parent's.
class Starter : public hsm::Spawner {
 public:
  // A program that it may start, and with what: nothing of it is left for a custodian to say that somebody
  // took over meanwhile.
  struct Program {
    std::filesystem::path executable;
    std::vector<std::string> arguments;  // from its name on
    bool takes_more = false;             // arguments of the custodian's after these
    bool takes_environment = false;      // that of the starter; otherwise none
  };
  // Before the sandbox, and before the thread that calls this could end.
  static Result<std::unique_ptr<Starter>> begin(const std::filesystem::path& executable,
                                                const std::vector<Program>& programs,
                                                std::vector<std::string> environment = {});

  ~Starter() override;

  // Whether it is gone or hangs. Nothing helps then but the end of this process, and of it with it.
  bool lost() const { return lost_; }
  // Readable once it has ended.
  int handle() const { return process_.handle.get(); }

  // The environment is as begin() said, whatever is asked for.
  Result<hsm::Spawned> start(const std::filesystem::path& executable, std::vector<std::string> arguments,
                             std::vector<std::string> environment, int channel, int its_channel) override;
  void signal_group(pid_t pid, int number) override;
  std::optional<int> reap(const hsm::Spawned& spawned) override;

 private:
  Starter(hsm::Spawned process, Fd channel) : process_(std::move(process)), channel_(std::move(channel)) {}

  Result<starter::Answer> ask(const starter::Order& order, std::span<const int> files = {},
                              std::vector<Fd>* received = nullptr);
  std::optional<starter::Answer> insist(const starter::Order& order);

  std::mutex mutex_;  // an order and its answer
  std::atomic<bool> lost_ = false;
  hsm::Spawned process_;
  ipc::Channel channel_;
};

}  // namespace coprotect::agent
