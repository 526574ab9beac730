// After use, a keeper's memory contains nothing of a share or of its wrapping key that a core dump, a
// debugger or root could read.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

#include "hsm/share_record.h"
#include "hsm/token.h"
#include "protocol/base/arena.h"
#include "protocol/base/random.h"
#include "protocol/base/reader.h"
#include "protocol/group/group.h"
#include "swtpm-tests/harness/memory_search.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::hsm {
namespace {

using protocol::Scalar;
using protocol::SuiteId;

constexpr std::string_view kHour = "3600000";

class Pipe {
 public:
  Pipe() { invariant(pipe2(ends_.data(), O_CLOEXEC) == 0); }
  ~Pipe() {
    for (const int end : ends_) close(end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int reading() const { return ends_[0]; }
  int writing() const { return ends_[1]; }

 private:
  std::array<int, 2> ends_{};
};

// A keeper in a separate process that has used a share and is idle.
class Subject {
 public:
  Subject(SuiteId suite, const std::string& uri, std::string_view hold, const Secret& share,
          const std::filesystem::path& epochs)
      : process_(harness::Daemon::spawn({COPROTECT_RESIDUE_SUBJECT, std::string(suite_name(suite)), uri,
                                         std::string(hold), epochs.string()},
                                        {}, {{0, input_.reading()}, {1, output_.writing()}, {2, 2}})) {
    send(share.reveal());
    const Bytes size = receive(2);
    record_ = receive(*Reader(size).u16());
  }

  void command(char letter, ByteView argument = {}) {
    send(bytes_of({&letter, 1}));
    send(argument);
    EXPECT_EQ(receive(1).front(), letter);
  }
  const Bytes& record() const { return record_; }
  std::vector<harness::Residue> search(const Secret& secret) const {
    const auto result = harness::search_memory(process_.pid(), secret.reveal());
    EXPECT_GT(result.bytes_read, std::size_t{1} << 20);
    return result.found;
  }

 private:
  void send(ByteView bytes) {
    EXPECT_EQ(write(input_.writing(), bytes.data(), bytes.size()), std::ssize(bytes));
  }
  Bytes receive(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t filled = 0; filled < size;) {
      const ssize_t n = read(output_.reading(), bytes.data() + filled, size - filled);
      invariant(n > 0);
      filled += static_cast<std::size_t>(n);
    }
    return bytes;
  }

  Pipe input_;
  Pipe output_;
  harness::Daemon process_;
  Bytes record_;
};

testing::AssertionResult none(const std::vector<harness::Residue>& found) {
  if (found.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << found.size() << " places, the first " << found.front().form << " in "
                                     << found.front().mapping;
}

class MemoryOfAKeeper : public testing::TestWithParam<SuiteId> {
 protected:
  Secret wrapping_key(const Subject& subject) const {
    const auto record = EpochRecord::parse(subject.record());
    invariant(bool(record));
    auto key = Token({.uri = tpm_.uri(), .helper = COPROTECT_TOKEN}).unseal(record->sealed_key);
    invariant(bool(key));
    return *std::move(key);
  }

  harness::Scratch scratch_;
  harness::SoftTpm tpm_{scratch_ / "tpm"};
  Scalar share_ = Scalar::random(protocol::group_of(GetParam()).scalars(), system_random());
};
INSTANTIATE_TEST_SUITE_P(Suites, MemoryOfAKeeper, testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& suite) { return std::string(suite_name(suite.param)); });

TEST_P(MemoryOfAKeeper, HasNothingOfAShareThatIsNotHeld) {
  Subject subject(GetParam(), tpm_.uri(), "0", share_.bytes(), scratch_ / "epochs");
  EXPECT_TRUE(none(subject.search(share_.bytes())));
  EXPECT_TRUE(none(subject.search(wrapping_key(subject))));
  // The search finds what is there.
  subject.command('p', share_.bytes().reveal());
  EXPECT_FALSE(none(subject.search(share_.bytes())));
}

TEST_P(MemoryOfAKeeper, HasNothingOfAShareThatWasHeldAndErased) {
  Subject subject(GetParam(), tpm_.uri(), kHour, share_.bytes(), scratch_ / "epochs");
  subject.command('e');
  EXPECT_TRUE(none(subject.search(share_.bytes())));
  EXPECT_TRUE(none(subject.search(wrapping_key(subject))));
}

// A kernel without memfd_secret shows locked memory to root. There, only locked memory contains the share.
TEST_P(MemoryOfAKeeper, ShowsNothingOfAHeldShareWhereTheKernelCanHideIt) {
  Subject subject(GetParam(), tpm_.uri(), kHour, share_.bytes(), scratch_ / "epochs");
  const bool hidden = *locked_memory::install_arena_only() == locked_memory::Kind::secretmem;
  auto found = subject.search(share_.bytes());
  EXPECT_EQ(bool(none(found)), hidden);
  std::erase_if(found, [](const harness::Residue& residue) { return residue.locked; });
  EXPECT_TRUE(none(found));
  EXPECT_TRUE(none(subject.search(wrapping_key(subject))));
}

}  // namespace
}  // namespace coprotect::hsm
