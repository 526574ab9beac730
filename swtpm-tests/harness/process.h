#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace coprotect::harness {

// What a program that ran to its end left behind.
struct Finished {
  int exit_code = -1;  // 128 + N if signal N ended it
  bool timed_out = false;
  std::string out;
  std::string err;
  std::map<int, std::string> written;  // by further descriptors, see Command::collect
};

// A program to run: arguments, and what it finds on its descriptors. The child dies with the test.
class Command {
 public:
  explicit Command(std::filesystem::path program) { arguments_.push_back(program.string()); }

  Command& arg(std::string a) {
    arguments_.push_back(std::move(a));
    return *this;
  }
  Command& args(const std::vector<std::string>& more) {
    arguments_.insert(arguments_.end(), more.begin(), more.end());
    return *this;
  }
  // NAME=VALUE, added to PATH, HOME and LANG, which are all that a child gets otherwise.
  Command& env(std::string assignment) {
    environment_.push_back(std::move(assignment));
    return *this;
  }
  // The child reads this text from descriptor fd (0 is its standard input).
  Command& feed(int fd, std::string text) {
    fed_[fd] = std::move(text);
    return *this;
  }
  // What the child writes to descriptor fd is in Finished::written.
  Command& collect(int fd) {
    collected_.push_back(fd);
    return *this;
  }
  // As collect(from), and each byte can at once be read from descriptor `to`: somebody who retypes what is
  // shown. `change` is applied to what is typed.
  Command& retype(int from, int to, std::string (*change)(std::string) = nullptr) {
    retype_from_ = from;
    retype_to_ = to;
    change_ = change;
    return *this;
  }

  Finished run(std::chrono::seconds limit = std::chrono::seconds(60));

 private:
  std::vector<std::string> arguments_;
  std::vector<std::string> environment_;
  std::map<int, std::string> fed_;
  std::vector<int> collected_;
  int retype_from_ = -1;
  int retype_to_ = -1;
  std::string (*change_)(std::string) = nullptr;
};

// A program that stays: killed, if it still runs, when the object goes. Its output is appended to a file.
class Daemon {
 public:
  Daemon() = default;
  // Starts it and waits until it says READY=1 to its supervisor (sd_notify). An empty object if it ended
  // before or took longer than 20 s.
  static Daemon start_notifying(const std::vector<std::string>& arguments,
                                std::vector<std::string> environment, const std::filesystem::path& log);
  // Starts it and does not wait. It finds only these descriptors (number in the child → number here), and
  // /dev/null for what is missing of 0 to 2.
  static Daemon spawn(const std::vector<std::string>& arguments, std::vector<std::string> environment,
                      const std::map<int, int>& descriptors);
  Daemon(Daemon&& other) noexcept : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}
  Daemon& operator=(Daemon&& other) noexcept;
  ~Daemon();

  bool started() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  // Whether it ended by itself meanwhile.
  bool ended();
  // The exit code as in Finished, once it ended by itself.
  std::optional<int> exit_code();
  void signal(int number) const;
  // Sends the signal and waits for the end; the exit code as in Finished.
  int end(int number);
  // Waits until it ends by itself, at most `limit`. False if it still runs.
  bool wait_for_end(std::chrono::milliseconds limit);

 private:
  explicit Daemon(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

// The processes that were started by this path, without arguments.
std::set<pid_t> processes_of(const std::filesystem::path& program);
// Waits until there are `count` of them, at most 5 s. False if there are not.
bool wait_for_processes(const std::filesystem::path& program, std::size_t count);
// The process of this name that `parent` has started, or one that it started; 0 if there is none.
pid_t child_of(pid_t parent, const std::string& name);
// A line of /proc/PID/status, without its name: "2" for Seccomp. `process` is /proc/PID.
std::string status_field(const std::filesystem::path& process, const std::string& name);

// Where PATH has a program. Fails with an exception that names it if it is not installed.
std::filesystem::path installed_program(const std::string& name);

// A file's content; empty if there is no such file.
std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view content);

}  // namespace coprotect::harness
