#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "protocol/base/random.h"
#include "protocol/base/secret.h"
#include "swtpm-tests/harness/memory_search.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::harness {
namespace {

TEST(Scratch, IsRemovedWithItsContent) {
  std::filesystem::path path;
  {
    const Scratch scratch;
    path = scratch.path();
    write_file(scratch / "file", "content");
    EXPECT_EQ(read_file(scratch / "file"), "content");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

// A copy of this process as it is now, without the locked memory, which is not inherited. It locks the page
// that it is told to, and waits.
class Subject {
 public:
  explicit Subject(const void* to_lock = nullptr) {
    int ready[2];
    invariant(pipe(ready) == 0);
    pid_ = fork();
    if (pid_ == 0) wait_for_the_end(ready[1], to_lock);
    close(ready[1]);
    std::uint8_t byte;
    invariant(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
  }
  ~Subject() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  pid_t pid() const { return pid_; }

 private:
  [[noreturn]] static void wait_for_the_end(int ready, const void* to_lock) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 1);  // so that the test needs no privilege
    invariant(to_lock == nullptr || mlock(to_lock, 1) == 0);
    invariant(write(ready, "", 1) == 1);
    for (;;) pause();
  }

  pid_t pid_;
};

class MemorySearchOf : public testing::Test {
 protected:
  MemorySearchOf() : secret_(48) { system_random().fill(secret_.fill()); }
  MemorySearch search(const void* locked = nullptr) const {
    const Subject subject(locked);
    return search_memory(subject.pid(), secret_.reveal());
  }
  std::size_t hits() const { return search().found.size(); }
  Secret secret_;
};

TEST_F(MemorySearchOf, NothingReadsMuchAndFindsNothing) {
  const MemorySearch result = search();
  EXPECT_TRUE(result.found.empty());
  EXPECT_GT(result.bytes_read, std::size_t{1} << 20);
}

TEST_F(MemorySearchOf, AProcessThatIsNotThereFails) {
  EXPECT_THROW(search_memory(-1, secret_.reveal()), std::runtime_error);
}

// Each copy lies in a mapping of its own, which goes before the next is looked for.
class Planted {
 public:
  Planted()
      : at_(static_cast<std::uint8_t*>(
            mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~Planted() { munmap(at_, 8192); }
  Planted(const Planted&) = delete;
  Planted& operator=(const Planted&) = delete;
  std::uint8_t* at(std::size_t offset) const { return at_ + offset; }

 private:
  std::uint8_t* at_;
};

TEST_F(MemorySearchOf, ACopyAcrossPages) {
  const Planted planted;
  std::memcpy(planted.at(4096 - 8), secret_.reveal().data(), 16);
  EXPECT_EQ(hits(), 1U);
}

TEST_F(MemorySearchOf, ACopyTellsWhetherItsMemoryIsLocked) {
  const Planted planted;
  const Planted locked;
  for (const Planted* const copy : {&planted, &locked}) std::memcpy(copy->at(0), secret_.reveal().data(), 16);
  const auto found = search(locked.at(0)).found;
  ASSERT_EQ(found.size(), 2u);
  for (const Residue& residue : found)
    EXPECT_EQ(residue.locked, residue.address == reinterpret_cast<std::uintptr_t>(locked.at(0)));
}

TEST_F(MemorySearchOf, APartFromTheMiddle) {
  const Planted planted;
  std::memcpy(planted.at(13), secret_.reveal().data() + 7, 17);
  EXPECT_EQ(hits(), 2U);
}

TEST_F(MemorySearchOf, AReversedCopy) {
  const Planted planted;
  const ByteView secret = secret_.reveal();
  std::reverse_copy(secret.begin(), secret.end(), planted.at(100));
  EXPECT_EQ(hits(), secret.size() - 15);
}

TEST_F(MemorySearchOf, Hexadecimal) {
  const Planted planted;
  const ByteView secret = secret_.reveal();
  for (std::size_t i = 0; i < secret.size(); ++i) {
    planted.at(50)[2 * i] = static_cast<std::uint8_t>("0123456789abcdef"[secret[i] >> 4]);
    planted.at(50)[2 * i + 1] = static_cast<std::uint8_t>("0123456789abcdef"[secret[i] & 15]);
  }
  EXPECT_GE(hits(), 2 * secret.size() - 15);
}

TEST(SoftTpm, HasSockets) {
  const Scratch scratch;
  const SoftTpm tpm(scratch / "tpm");
  EXPECT_TRUE(std::filesystem::is_socket(scratch / "tpm/tpm"));
  EXPECT_TRUE(std::filesystem::is_socket(scratch / "tpm/tpm.ctrl"));
}

TEST(SoftToken, HasATokenThatCanBeRemoved) {
  const Scratch scratch;
  const SoftToken token(scratch / "token");
  const auto tokens = [&] {
    return std::distance(std::filesystem::directory_iterator(scratch / "token/tokens"), {});
  };
  EXPECT_EQ(tokens(), 1);
  token.remove();
  EXPECT_EQ(tokens(), 0);
  token.restore();
  EXPECT_EQ(tokens(), 1);
}

}  // namespace
}  // namespace coprotect::harness
