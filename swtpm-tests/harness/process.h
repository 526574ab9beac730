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

// The result of a program that has ended.
struct Finished {
  int exit_code = -1;  // 128 + N if signal N ended it
  bool timed_out = false;
  std::string out;
  std::string err;
  std::map<int, std::string> written;  // to further descriptors, see Command::collect
};

// A program to run, with its arguments and descriptors. The child dies with the test.
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
  // NAME=VALUE, in addition to PATH, HOME and LANG. A child gets nothing else.
  Command& env(std::string assignment) {
    environment_.push_back(std::move(assignment));
    return *this;
  }
  // The child reads this text from descriptor fd (0 is its standard input).
  Command& feed(int fd, std::string text) {
    fed_[fd] = std::move(text);
    return *this;
  }
  // Finished::written contains what the child writes to descriptor fd.
  Command& collect(int fd) {
    collected_.push_back(fd);
    return *this;
  }
  // Like collect(from), but each byte can also be read immediately from descriptor `to`, as if a person
  // retyped what is shown. `change` is applied to the typed text.
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

// A program that keeps running. The destructor kills it if it still runs. Its output is appended to a file.
class Daemon {
 public:
  Daemon() = default;
  // Starts it and waits until it reports READY=1 to its supervisor (sd_notify). An empty object if it ended
  // before that or took longer than 20 s.
  static Daemon start_notifying(const std::vector<std::string>& arguments,
                                std::vector<std::string> environment, const std::filesystem::path& log);
  // Starts it and does not wait. It gets only these descriptors (number in the child → number here), and
  // /dev/null for missing ones of 0 to 2.
  static Daemon spawn(const std::vector<std::string>& arguments, std::vector<std::string> environment,
                      const std::map<int, int>& descriptors);
  Daemon(Daemon&& other) noexcept : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}
  Daemon& operator=(Daemon&& other) noexcept;
  ~Daemon();

  bool started() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  // Whether it has ended by itself.
  bool ended();
  // The exit code as in Finished, after it ended by itself.
  std::optional<int> exit_code();
  void signal(int number) const;
  // Sends the signal and waits for the end. Returns the exit code as in Finished.
  int end(int number);
  // Waits at most `limit` until it ends by itself. False if it still runs.
  bool wait_for_end(std::chrono::milliseconds limit);

 private:
  explicit Daemon(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

// The processes started with this path, without arguments.
std::set<pid_t> processes_of(const std::filesystem::path& program);
// Waits at most 5 s until there are `count` of them. False if there are not.
bool wait_for_processes(const std::filesystem::path& program, std::size_t count);
// The process of this name that `parent`, or a child of it, started. 0 if there is none.
pid_t child_of(pid_t parent, const std::string& name);
// A line of /proc/PID/status without its name: "2" for Seccomp. `process` is /proc/PID.
std::string status_field(const std::filesystem::path& process, const std::string& name);

// The program's path from PATH. Throws an exception that names it if it is not installed.
std::filesystem::path installed_program(const std::string& name);

// A file's content. Empty if the file does not exist.
std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view content);

}  // namespace coprotect::harness
