// The memory of a live `coprotect`, while it encrypts and decrypts and afterwards, as a core of it would show
// it, has no key of a file, nothing that the agents gave for it and nothing of the client's own key. It is
// not dumpable, so only root can look.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>

#include "client/config.h"
#include "client/enrolment.h"
#include "protocol/base/fd.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/file_secrets.h"
#include "swtpm-tests/no_residue.h"
#include "swtpm-tests/share_of.h"

namespace coprotect::harness {
namespace {

constexpr std::size_t kContent = 900'000;  // some windows, so that the program works on one while it has more

// `coprotect` with pipes as its standard input and output.
class Piped {
 public:
  // Full: there is no room in it until feed() reads.
  enum class Output { empty, full };
  Piped(const std::filesystem::path& config, std::vector<std::string> arguments,
        Output output = Output::empty) {
    arguments.insert(arguments.begin(), System::program("coprotect").string());
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    invariant(pipe2(in.data(), O_CLOEXEC) == 0 && pipe2(out.data(), O_CLOEXEC) == 0);
    to_ = Fd(in[1]);
    from_ = Fd(out[0]);
    const Fd its_input(in[0]);
    const Fd its_output(out[1]);
    if (output == Output::full) fill(its_output.get());
    process_ = Daemon::spawn(arguments, {"COPROTECT_CONFIG=" + config.string()},
                             {{0, its_input.get()}, {1, its_output.get()}, {2, 2}});
    fcntl(to_.get(), F_SETFL, O_NONBLOCK);
    fcntl(from_.get(), F_SETFL, O_NONBLOCK);
  }

  // Gives it the bytes and collects what it writes, until it has them all and writes no more for a while.
  void feed(std::string_view bytes) {
    std::array<char, 65'536> buffer;
    for (int quiet = 0; quiet < (bytes.empty() ? 10 : 200);) {
      std::array<pollfd, 2> polled = {
          pollfd{.fd = bytes.empty() ? -1 : to_.get(), .events = POLLOUT, .revents = 0},
          pollfd{.fd = from_.get(), .events = POLLIN, .revents = 0}};
      quiet = poll(polled.data(), polled.size(), 50) == 0 ? quiet + 1 : 0;
      if ((polled[0].revents & POLLOUT) != 0) {
        const ssize_t n = write(to_.get(), bytes.data(), bytes.size());
        bytes.remove_prefix(n > 0 ? static_cast<std::size_t>(n) : 0);
      }
      const ssize_t n = read(from_.get(), buffer.data(), buffer.size());
      if (n > 0) output_.append(buffer.data(), static_cast<std::size_t>(n));
      if (n == 0) return;
    }
  }
  // It has no more to come.
  int finish() {
    to_.reset();
    feed({});
    return process_.wait_for_end(std::chrono::seconds(20)) ? process_.exit_code().value_or(-1) : -1;
  }
  const std::string& output() const { return output_; }
  pid_t pid() const { return process_.pid(); }

 private:
  static void fill(int pipe) {
    const std::array<char, 4096> page{};
    fcntl(pipe, F_SETFL, O_NONBLOCK);
    while (write(pipe, page.data(), page.size()) > 0) continue;
    fcntl(pipe, F_SETFL, 0);
  }

  Fd to_;
  Fd from_;
  Daemon process_;
  std::string output_;
};

class MemoryOfCoprotect : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{.suite = GetParam()});
    if (HasFailure()) GTEST_FAIL() << "no system";
    system_->token().use();
    alice_ = system_->add_client("alice");
    for (std::size_t i = 0; i < kContent; ++i) content_ += static_cast<char>(i * 31 + i / 251);
    write_file(system_->folder() / "f", content_);
    ASSERT_EQ(system_->coprotect(alice_, {"encrypt", system_->folder() / "f"}).exit_code, 0);
    sealed_ = read_file(system_->folder() / "f.cop");
  }

  // Nothing of the file, nor of the client's key.
  void expect_none(pid_t process, std::string_view front_of_file) const {
    const AgentShare shares[] = {share_of(system_->cloud()), share_of(system_->company())};
    for (const auto& [name, secret] : secrets_of_file(bytes_of(front_of_file), shares))
      EXPECT_TRUE(none_in_sight(search_memory(process, secret.reveal()))) << name;
    const auto credentials = must(client::load_credentials(must(client::read_config(alice_))));
    EXPECT_TRUE(none_in_sight(search_memory(process, credentials.key.scalar().reveal())))
        << "the client's key";
    // The search does read this process: it finds what is no secret.
    EXPECT_FALSE(search_memory(process, bytes_of(alice_.string())).found.empty());
  }

  std::unique_ptr<System> system_;
  std::filesystem::path alice_;
  std::string content_;
  std::string sealed_;
};
INSTANTIATE_TEST_SUITE_P(Suites, MemoryOfCoprotect, testing::Values("p256", "ffdhe3072"),
                         [](const auto& suite) { return suite.param; });

TEST_P(MemoryOfCoprotect, HasNoKeyWhileItEncrypts) {
  Piped program(alice_, {"encrypt", "-"});
  program.feed(content_);
  ASSERT_GT(program.output().size(), kContent / 2);
  expect_none(program.pid(), program.output());
  EXPECT_EQ(program.finish(), 0);
}

TEST_P(MemoryOfCoprotect, HasNoKeyWhileItDecrypts) {
  Piped program(alice_, {"decrypt", "-"});
  program.feed(std::string_view(sealed_).substr(0, sealed_.size() - 1'000));
  ASSERT_GT(program.output().size(), kContent / 2);
  expect_none(program.pid(), sealed_);
  program.feed(std::string_view(sealed_).substr(sealed_.size() - 1'000));
  EXPECT_EQ(program.finish(), 0);
  EXPECT_EQ(program.output(), content_);
}

// Waits to say so, since nobody reads it.
TEST_P(MemoryOfCoprotect, HasNoKeyAfterItDecrypted) {
  const std::filesystem::path out = system_->folder() / "out";
  Piped program(alice_, {"decrypt", "--json", system_->folder() / "f.cop", "-o", out}, Piped::Output::full);
  for (int i = 0; i < 400 && !std::filesystem::exists(out); ++i) usleep(50'000);
  ASSERT_TRUE(std::filesystem::exists(out));
  usleep(200'000);
  expect_none(program.pid(), sealed_);
  EXPECT_EQ(program.finish(), 0);
}

}  // namespace
}  // namespace coprotect::harness
