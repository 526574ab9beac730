#include "agent/custodian/newest_backup.h"

#include <gtest/gtest.h>

#include <fstream>

#include "hsm/durable_file.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent::custodian {
namespace {

TEST(NewestBackup, DoesAsLongAsNoShareWasMadeOrErasedSince) {
  const harness::Scratch scratch;
  NewestBackup backup(scratch.path());
  EXPECT_EQ(backup.state(), "none");
  // Made before the agent had a share.
  const auto note = [&](const Digest& covered) { must(hsm::replace_file(scratch / "backed-up", covered)); };
  note({});
  EXPECT_EQ(backup.state(), "ok");
  const auto table = [&](const Bytes& content) {
    must(hsm::replace_file(scratch / "epochs", content));
    return protocol::sha256(content);
  };
  const std::string outdated =
      "shares were made or erased since the newest one: if the disk is lost now, a share is";
  const Digest first = table({1, 2, 3});
  EXPECT_EQ(backup.state(), outdated);
  note(first);
  EXPECT_EQ(backup.state(), "ok");
  const Digest second = table({1, 2, 4});  // of the same length
  EXPECT_EQ(backup.state(), outdated);
  note(second);
  EXPECT_EQ(backup.state(), "ok");
  std::filesystem::remove(scratch / "backed-up");
  std::filesystem::create_symlink(scratch / "epochs", scratch / "backed-up");
  EXPECT_EQ(backup.state(), "what the last one left cannot be read");
}

}  // namespace
}  // namespace coprotect::agent::custodian
