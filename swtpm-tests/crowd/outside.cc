#include "swtpm-tests/crowd/outside.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "protocol/base/fd.h"

namespace coprotect::harness::crowd {

void Outside::start(const std::vector<std::string>& arguments) {
  static unsigned number = 0;
  const auto says = scene_.system().folder() / ("outside-" + std::to_string(number++));
  const Fd file(open(says.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  std::vector<std::string> all{COPROTECT_CROWD_PROGRAM};
  all.insert(all.end(), arguments.begin(), arguments.end());
  running_.push_back({Daemon::spawn(all, {}, {{1, file.get()}, {2, file.get()}}), says});
}

void Outside::end() {
  account_.clear();
  for (Process& process : running_) {
    EXPECT_EQ(process.daemon.end(SIGTERM), 0) << read_file(process.says);
    std::string said = read_file(process.says);
    std::erase(said, '\n');
    account_ += (account_.empty() ? "" : "\n    ") + said;
  }
  running_.clear();
}

}  // namespace coprotect::harness::crowd
