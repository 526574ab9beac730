#include "swtpm-tests/harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "protocol/base/fd.h"

namespace coprotect::harness {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int reading = -1;
  int writing = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    reading = ends[0];
    writing = ends[1];
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    shut(reading);
    shut(writing);
  }
  static void shut(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> whole_environment(std::vector<std::string> more) {
  for (const char* name : {"PATH", "HOME", "LANG", "ASAN_OPTIONS", "TSAN_OPTIONS"})
    if (const char* value = std::getenv(name)) more.push_back(std::string(name) + "=" + value);
  return more;
}

// Starts a program with the given descriptors (number in the child → number here); all others are closed in
// it.
pid_t start(std::vector<std::string> arguments, std::vector<std::string> environment,
            const std::map<int, int>& descriptors) {
  environment = whole_environment(std::move(environment));
  const auto argv = pointers(arguments);
  const auto envp = pointers(environment);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  // First out of the way, then into place, so that no move overwrites a descriptor that is still to be moved.
  std::map<int, int> moved;
  for (const auto& [to, from] : descriptors) moved[to] = fcntl(from, F_DUPFD, 200);
  for (const auto& [to, from] : moved) {
    dup2(from, to);
    close(from);
  }
  for (const int standard : {0, 1, 2})
    if (!descriptors.contains(standard)) dup2(open("/dev/null", O_RDWR), standard);
  signal(SIGPIPE, SIG_DFL);
  execve(argv[0], argv.data(), envp.data());
  _exit(127);
}

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Finished Command::run(std::chrono::seconds limit) {
  struct Reading {
    int fd;
    std::string* into;
  };
  Finished result;
  std::map<int, Pipe> pipes;
  std::map<int, int> descriptors;
  std::map<int, std::string> to_write = fed_;
  std::map<int, std::string*> outputs = {{1, &result.out}, {2, &result.err}};
  for (const int fd : collected_) outputs[fd] = &result.written[fd];
  if (retype_from_ >= 0) {
    outputs[retype_from_] = &result.written[retype_from_];
    to_write[retype_to_] = "";
  }
  for (const auto& [fd, text] : to_write) descriptors[fd] = pipes[fd].reading;
  for (const auto& [fd, into] : outputs) descriptors[fd] = pipes[fd].writing;

  const pid_t pid = start(arguments_, environment_, descriptors);
  for (const auto& [fd, text] : to_write) Pipe::shut(pipes[fd].reading);
  for (const auto& [fd, into] : outputs) Pipe::shut(pipes[fd].writing);
  signal(SIGPIPE, SIG_IGN);

  std::size_t retyped = 0;
  const auto deadline = Clock::now() + limit;
  for (;;) {
    std::vector<pollfd> polled;
    for (const auto& [fd, into] : outputs)
      if (pipes[fd].reading >= 0) polled.push_back({pipes[fd].reading, POLLIN, 0});
    if (polled.empty()) break;
    for (auto& [fd, text] : to_write) {
      if (pipes[fd].writing < 0) continue;
      if (!text.empty())
        polled.push_back({pipes[fd].writing, POLLOUT, 0});
      else if (fd != retype_to_)
        Pipe::shut(pipes[fd].writing);
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0 || poll(polled.data(), polled.size(), static_cast<int>(left)) == 0) {
      result.timed_out = true;
      kill(pid, SIGKILL);
      break;
    }
    for (const auto& p : polled) {
      if (p.revents == 0) continue;
      for (const auto& [fd, into] : outputs) {
        if (pipes[fd].reading != p.fd) continue;
        char buffer[4096];
        const ssize_t n = read(p.fd, buffer, sizeof buffer);
        if (n > 0) into->append(buffer, static_cast<std::size_t>(n));
        if (n <= 0) Pipe::shut(pipes[fd].reading);
      }
      for (auto& [fd, text] : to_write) {
        if (pipes[fd].writing != p.fd) continue;
        const ssize_t n = write(p.fd, text.data(), text.size());
        if (n > 0) text.erase(0, static_cast<std::size_t>(n));
        if (n <= 0) Pipe::shut(pipes[fd].writing);
      }
    }
    if (retype_from_ >= 0) {
      const std::string& shown = result.written[retype_from_];
      const auto line_end = shown.find('\n', retyped);
      if (line_end != std::string::npos) {
        std::string line = shown.substr(retyped, line_end + 1 - retyped);
        to_write[retype_to_] += change_ != nullptr ? change_(std::move(line)) : line;
        retyped = line_end + 1;
      }
    }
  }
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_code = exit_code_of(status);
  return result;
}

Daemon Daemon::start_notifying(const std::vector<std::string>& arguments,
                               std::vector<std::string> environment, const std::filesystem::path& log) {
  // An abstract address, so that nothing is left in the file system.
  const int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  static int counter = 0;
  const std::string name = "coprotect-test-" + std::to_string(getpid()) + "-" + std::to_string(++counter) +
                           "-" + std::to_string(notify);
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (bind(notify, reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("bind");
  environment.push_back("NOTIFY_SOCKET=@" + name);

  const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  Daemon daemon(start(arguments, std::move(environment), {{1, output}, {2, output}}));
  close(output);
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  bool ready = false;
  while (!ready && Clock::now() < deadline && !daemon.ended()) {
    pollfd p{notify, POLLIN, 0};
    if (poll(&p, 1, 50) <= 0) continue;
    char message[512];
    const ssize_t n = recv(notify, message, sizeof message, 0);
    ready = n > 0 &&
            std::string_view(message, static_cast<std::size_t>(n)).find("READY=1") != std::string_view::npos;
  }
  close(notify);
  if (!ready) daemon = Daemon();
  return daemon;
}

Daemon Daemon::spawn(const std::vector<std::string>& arguments, std::vector<std::string> environment,
                     const std::map<int, int>& descriptors) {
  return Daemon(start(arguments, std::move(environment), descriptors));
}

Daemon& Daemon::operator=(Daemon&& other) noexcept {
  if (this != &other) {
    if (pid_ > 0) end(SIGKILL);
    pid_ = std::exchange(other.pid_, -1);
    exit_code_ = other.exit_code_;
  }
  return *this;
}

Daemon::~Daemon() {
  if (pid_ > 0) end(SIGKILL);
}

bool Daemon::ended() {
  if (pid_ <= 0) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  pid_ = -1;
  exit_code_ = exit_code_of(status);
  return true;
}

std::optional<int> Daemon::exit_code() {
  return ended() ? exit_code_ : std::nullopt;
}

void Daemon::signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

int Daemon::end(int number) {
  if (pid_ <= 0) return -1;
  kill(pid_, number);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return exit_code_of(status);
}

bool Daemon::wait_for_end(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (!ended()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string status_field(const std::filesystem::path& process, const std::string& name) {
  std::ifstream in(process / "status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  return "";
}

std::set<pid_t> processes_of(const std::filesystem::path& program) {
  std::set<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc"))
    if (read_file(entry.path() / "cmdline") == program.string() + std::string(1, '\0'))
      found.insert(static_cast<pid_t>(std::stol(entry.path().filename())));
  return found;
}

bool wait_for_processes(const std::filesystem::path& program, std::size_t count) {
  for (int i = 0; i < 500; ++i) {
    if (processes_of(program).size() == count) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

pid_t child_of(pid_t parent, const std::string& name) {
  const auto is_of = [parent](std::filesystem::path process) {
    for (std::string above = status_field(process, "PPid"); !above.empty() && above != "0";
         above = status_field("/proc/" + above, "PPid"))
      if (above == std::to_string(parent)) return true;
    return false;
  };
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string number = entry.path().filename().string();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    if (status_field(entry.path(), "Name") == name && is_of(entry.path())) return std::stoi(number);
  }
  return 0;
}

std::filesystem::path installed_program(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');)
    if (const auto file = std::filesystem::path(folder) / name; access(file.c_str(), X_OK) == 0) return file;
  throw std::runtime_error("not installed: " + name);
}

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream content;
  content << in.rdbuf();
  return content.str();
}

void write_file(const std::filesystem::path& file, std::string_view content) {
  const Fd its_own(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
}

}  // namespace coprotect::harness
