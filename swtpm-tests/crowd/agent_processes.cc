#include "swtpm-tests/crowd/agent_processes.h"

#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <thread>

namespace coprotect::harness::crowd {
namespace {

using Clock = std::chrono::steady_clock;

// Of the processor time since the process began.
std::chrono::duration<double> used_by(pid_t process) {
  const std::string stat = read_file("/proc/" + std::to_string(process) + "/stat");
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return std::chrono::duration<double>((user + system) / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

std::chrono::duration<double> used_by_agents(Scene& scene) {
  std::chrono::duration<double> used{};
  for (const std::string& party : kParties)
    for (const pid_t process : processes_of(scene.agent(party))) used += used_by(process);
  return used;
}

}  // namespace

std::vector<pid_t> processes_of(Agent& agent) {
  std::vector<pid_t> found{agent.daemon().pid()};
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::error_code gone;
    const std::filesystem::path threads = "/proc/" + std::to_string(found[i]) + "/task";
    for (const auto& thread : std::filesystem::directory_iterator(threads, gone)) {
      std::istringstream children(read_file(thread.path() / "children"));
      for (pid_t child = 0; children >> child;) found.push_back(child);
    }
  }
  return found;
}

std::vector<pid_t> lasting_processes_of(Agent& agent) {
  std::vector<pid_t> all = processes_of(agent);
  std::erase_if(all, [](pid_t process) {
    return status_field("/proc/" + std::to_string(process), "Name").starts_with("coprotect-token");
  });
  std::ranges::sort(all);
  return all;
}

bool wait_until_idle(Scene& scene, std::chrono::seconds limit) {
  constexpr std::chrono::milliseconds kStep(250);
  constexpr double kIdle = 0.15;  // of a processor
  for (const auto end = Clock::now() + limit; Clock::now() < end;) {
    const auto before = used_by_agents(scene);
    std::this_thread::sleep_for(kStep);
    if (used_by_agents(scene) - before < kIdle * kStep) return true;
  }
  return false;
}

}  // namespace coprotect::harness::crowd
