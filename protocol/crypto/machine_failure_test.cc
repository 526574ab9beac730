// A shortage of the machine is never reported as an invalid signature, point or passphrase.

#include "protocol/crypto/machine_failure.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "protocol/base/arena.h"
#include "protocol/base/random.h"
#include "protocol/crypto/ecdsa.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

// The number of OpenSSL allocations that still succeed; below 0: all.
int allocations_left = -1;

bool none_left() {
  if (allocations_left < 0) return false;
  if (allocations_left == 0) return true;
  --allocations_left;
  return false;
}
void* allocate(std::size_t size, const char*, int) {
  return none_left() ? nullptr : std::malloc(size);
}
void* reallocate(void* block, std::size_t size, const char*, int) {
  return none_left() ? nullptr : std::realloc(block, size);
}
void release(void* block, const char*, int) {
  std::free(block);
}
// Before OpenSSL allocates anything.
const bool replaced = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;

enum Outcome { right = 0, unavailable = 1, wrong = 2 };

// Runs in children. The n-th child gets n allocations, until one gets all it needs. A child may end with the
// right result, report that it could not find out, or abort.
void expect_never_wrong(const std::function<Outcome()>& operation) {
  ASSERT_TRUE(replaced);
  ASSERT_EQ(operation(), right);
  int aborted = 0;
  for (int given = 0; given < 2000; ++given) {
    const pid_t child = fork();
    if (child == 0) {
      allocations_left = given;
      const Outcome outcome = operation();
      const bool enough = allocations_left > 0;
      _exit(enough && outcome == right ? 10 : outcome);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 10) {
      EXPECT_GT(given, 0) << "nothing was allocated";
      return;
    }
    aborted += WIFSIGNALED(status) ? 1 : 0;
    EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == wrong) << "with " << given << " allocations";
  }
  ADD_FAILURE() << "no child had enough, " << aborted << " aborted";
}

Outcome of(bool as_it_is) {
  return as_it_is ? right : wrong;
}

class WithoutMemory : public testing::Test {
 protected:
  const SigningKey key_ = SigningKey::generate(system_random());
  const Digest digest_ = sha256(bytes_of("signed"));
};

TEST_F(WithoutMemory, NoSignatureIsCalledFalse) {
  const Signature signature = key_.sign(digest_);
  expect_never_wrong([&] { return of(key_.public_key().verify(digest_, signature)); });
}

TEST_F(WithoutMemory, NoPointIsCalledInvalid) {
  const PublicKeyBytes point = key_.public_key().bytes();
  expect_never_wrong([&] { return of(bool(VerifyKey::parse(point))); });
}

}  // namespace
}  // namespace coprotect::protocol

// Not the usual main(): forked children have no arena, so OpenSSL's memory is not in it here.
int main(int argc, char** argv) {
  if (!coprotect::locked_memory::install_arena_only()) return 1;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
