#include "client/cli/test_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "client/files/fd.h"

namespace coprotect::client::test {
namespace {

constexpr int kCodeFd = 9;

// An unnamed file that contains the text, positioned at its beginning.
Fd holding(std::string_view text) {
  Fd fd(memfd_create("input", MFD_CLOEXEC));
  EXPECT_TRUE(write_all(fd.get(), bytes_of(text)));
  lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

// Runs in the child: only calls that are safe after fork().
[[noreturn]] void become(const Program& program, char* const* args, char* const* env, int in, int out,
                         int err, int code) {
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  if (code >= 0) dup2(code, kCodeFd);
  if (program.max_file_size) {
    const rlimit limit{*program.max_file_size, *program.max_file_size};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  if (chdir(program.folder.c_str()) == 0) execve(COPROTECT_PROGRAM, args, env);
  _exit(126);
}

pid_t spawn(const Program& program, int out, int err) {
  std::vector<std::string> args = {"coprotect"};
  args.insert(args.end(), program.args.begin(), program.args.end());
  std::vector<std::string> env = {"HOME=" + program.folder.string(), "PATH=/usr/bin:/bin"};
  for (const auto& [name, value] : program.env) env.push_back(name + "=" + value);
  const std::vector<char*> arg_pointers = pointers(args);
  const std::vector<char*> env_pointers = pointers(env);
  const Fd in = holding(program.input);
  const Fd code = program.code ? holding(*program.code) : Fd();
  const pid_t child = fork();
  if (child == 0) become(program, arg_pointers.data(), env_pointers.data(), in.get(), out, err, code.get());
  return child;
}

// What a terminal showed until its last user closed it.
std::string read_terminal(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n = read(fd, buffer, sizeof(buffer)); n > 0; n = read(fd, buffer, sizeof(buffer))) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

}  // namespace

Program::Ended Program::run() const {
  int terminal = -1;
  int shown = -1;
  if (output_is_terminal && openpty(&terminal, &shown, nullptr, nullptr, nullptr) != 0) {
    ADD_FAILURE() << "no pseudo-terminal";
  }
  Fd screen(terminal);
  Fd out(output_is_terminal ? shown : memfd_create("out", MFD_CLOEXEC));
  const Fd err(memfd_create("err", MFD_CLOEXEC));
  const pid_t child = spawn(*this, out.get(), err.get());
  Ended ended;
  if (output_is_terminal) {
    out = Fd();
    ended.out = read_terminal(screen.get());
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  const auto content = [](const Fd& fd) { return read_file("/proc/self/fd/" + std::to_string(fd.get())); };
  if (!output_is_terminal) ended.out = content(out);
  ended.err = content(err);
  return ended;
}

pid_t Program::start() const {
  const Fd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  return spawn(*this, nowhere.get(), nowhere.get());
}

std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::filesystem::path& file, std::string_view content) {
  const Fd its_own(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  std::ofstream(file, std::ios::binary) << content;
}

}  // namespace coprotect::client::test
