// coprotect-starter: starts programs for coprotect-agent, whose own sandbox does not allow that. The agent's
// channel is its descriptor 3. Its command line names the programs that it may start, and their arguments. It
// reads nothing else, and holds no secret.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <span>
#include <string_view>

#include "agent/ipc/channel.h"
#include "agent/starter/messages.h"
#include "hsm/spawn.h"

namespace coprotect::agent::starter {
namespace {

constexpr int kChannel = 3;

struct Program {
  std::string executable;
  std::vector<std::string> arguments;
  bool takes_more;
  bool takes_environment;

  bool allows(const Order& order) const {
    return order.executable == executable && order.arguments.size() >= arguments.size() &&
           (takes_more || order.arguments.size() == arguments.size()) &&
           std::equal(arguments.begin(), arguments.end(), order.arguments.begin());
  }
};

// As messages.h describes. Code::malformed for anything else.
Result<std::vector<Program>> read_programs(std::span<char* const> words) {
  std::vector<Program> programs;
  while (!words.empty()) {
    if (words.size() < 4) return Error(Code::malformed, "not a list of programs");
    const std::size_t count = std::strtoul(words[2], nullptr, 10);
    if (words.size() - 4 < count) return Error(Code::malformed, "not a list of programs");
    const auto arguments = words.subspan(4, count);
    programs.push_back({.executable = words[3],
                        .arguments = {arguments.begin(), arguments.end()},
                        .takes_more = std::string_view(words[0]) == kTakesMore,
                        .takes_environment = std::string_view(words[1]) == kTakesEnvironment});
    words = words.subspan(4 + count);
  }
  return programs;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) all.emplace_back(*variable);
  return all;
}

class Programs {
 public:
  explicit Programs(std::vector<Program> allowed) : allowed_(std::move(allowed)) {}

  // The reply carries the new process's handle beside its bytes.
  Answer carry_out(Order order, const std::vector<Fd>& files, int& handle) {
    std::erase_if(dropped_,
                  [this](pid_t pid) { return reap(static_cast<std::uint32_t>(pid)).failure.empty(); });
    switch (order.kind) {
      case Order::Kind::start:
        return start(std::move(order), files, handle);
      case Order::Kind::kill:
        return signal(order.pid, SIGKILL);
      case Order::Kind::end:
        return signal(order.pid, SIGTERM);
      case Order::Kind::reap:
        return reap(order.pid);
      case Order::Kind::drop:
        return drop(order.pid);
    }
    return {.failure = "unknown order"};
  }

 private:
  Answer start(Order order, const std::vector<Fd>& files, int& handle) {
    const auto program =
        std::ranges::find_if(allowed_, [&](const Program& one) { return one.allows(order); });
    if (program == allowed_.end())
      return {.failure = "the agent may not start \"" + order.executable + "\" so"};
    if (files.size() != 1 || order.its_channel != kChannel)
      return {.failure = "a program has one channel, as descriptor 3"};
    auto spawned = hsm::direct_spawner().start(
        order.executable, std::move(order.arguments),
        program->takes_environment ? own_environment() : std::vector<std::string>{}, files.front().get(),
        kChannel);
    if (!spawned) return {.failure = spawned.error().message()};
    const pid_t pid = spawned->pid;
    handle = spawned->handle.get();
    running_.insert_or_assign(pid, *std::move(spawned));
    return {.value = static_cast<std::uint32_t>(pid)};
  }

  Answer signal(std::uint32_t pid, int number) {
    const auto found = running_.find(static_cast<pid_t>(pid));
    if (found == running_.end()) return {.failure = "no such program"};
    hsm::direct_spawner().signal_group(found->first, number);
    return {};
  }

  // Does not block: the other side has seen its end.
  Answer reap(std::uint32_t pid) {
    const auto found = running_.find(static_cast<pid_t>(pid));
    int status = 0;
    if (found == running_.end() || waitpid(found->first, &status, WNOHANG) != found->first)
      return {.failure = "no such program, or it has not ended"};
    running_.erase(found);
    return {.value = static_cast<std::uint32_t>(status)};
  }

  Answer drop(std::uint32_t pid) {
    Answer killed = signal(pid, SIGKILL);
    if (killed.failure.empty()) dropped_.push_back(static_cast<pid_t>(pid));
    return killed;
  }

  const std::vector<Program> allowed_;
  std::vector<pid_t> dropped_;
  std::map<pid_t, hsm::Spawned> running_;
};

// Runs until the channel ends or brings something that is not an order.
Status serve(ipc::Channel& channel, Programs& programs) {
  for (;;) {
    std::vector<Fd> files;
    const auto frame = channel.receive(&files);
    if (!frame) return frame.error().code() == Code::unavailable ? Status(Done{}) : frame.error();
    auto order = Order::parse(*frame);
    if (!order) return std::move(order).error();
    int handle = -1;
    const Answer answer = programs.carry_out(*std::move(order), files, handle);
    const std::span<const int> given(&handle, handle < 0 ? 0 : 1);
    if (auto sent = channel.send(answer.encode(), given); !sent) return sent;
  }
}

int run(std::span<char* const> words) {
  // Dies with the agent, which may already be ending.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);  // systemd sends it to all processes of a unit; the agent says when to stop
  ipc::Channel channel{Fd(kChannel)};
  auto allowed = read_programs(words);
  if (!allowed) return 1;
  Programs programs(*std::move(allowed));
  const auto done = serve(channel, programs);
  if (!done) std::fprintf(stderr, "<3>starter: %s\n", done.error().message().c_str());
  return done ? 0 : 1;
}

}  // namespace
}  // namespace coprotect::agent::starter

int main(int argc, char** argv) {
  return coprotect::agent::starter::run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
}
