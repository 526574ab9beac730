// What a compromised agent can leave in its state for the operator's commands, which may run as root.

#include "provisioning/agent_store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "hsm/agent_folder.h"
#include "protocol/base/owned.h"
#include "protocol/base/writer.h"
#include "provisioning/backup.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

// An agent's folder made by hand. A backup needs no token.
class AgentState : public testing::Test {
 protected:
  AgentState() {
    fs::create_directories(state() / "invitations");
    for (const char* const name : {"agent.toml", "identity.pem", "organisation", "keyring"})
      harness::write_file(folder() / name, name);
    harness::write_file(state() / "epochs", "sealing keys");
    harness::write_file(state() / "invitations/ab12", "a record");
    harness::write_file(victim(), "the operator's");
    Owned<sqlite3, sqlite3_close_v2> store;
    EXPECT_EQ(sqlite3_open(this->store().c_str(), out(store)), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(store.get(),
                           "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; CREATE TABLE log(seq INTEGER); "
                           "CREATE TABLE keys(key_id BLOB); INSERT INTO log VALUES(3)",
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
  }

  fs::path folder() const { return scratch_ / "agent"; }
  fs::path state() const { return hsm::state_of(folder()); }
  fs::path store() const { return state() / "store.db"; }
  fs::path victim() const { return scratch_ / "victim"; }
  fs::path out_folder() const { return scratch_ / "backup"; }
  Status backs_up() const { return back_up({.directory = folder(), .out = out_folder()}); }
  // Replaces a file or folder of the state with a link to it.
  void put_link(const fs::path& at) const {
    const fs::path real = at.string() + "-real";
    fs::rename(at, real);
    fs::create_symlink(real, at);
  }

  harness::Scratch scratch_;
};

TEST_F(AgentState, IsBackedUp) {
  const auto done = backs_up();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(harness::read_file(out_folder() / "agent.toml"), "agent.toml");
  const fs::path copy = hsm::state_of(out_folder());
  EXPECT_EQ(harness::read_file(copy / "epochs"), "sealing keys");
  EXPECT_EQ(harness::read_file(copy / "invitations/ab12"), "a record");
  EXPECT_EQ(*last_log_entry(copy / "store.db"), 3u);
  struct stat about {};
  ASSERT_EQ(stat(copy.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0700u);
}

TEST_F(AgentState, IsRestoredInThePlaceOfNoLink) {
  ASSERT_TRUE(backs_up());
  fs::create_directory_symlink("agent", scratch_ / "link");
  const auto restored =
      restore_backup({.from = out_folder(), .directory = scratch_ / "link/", .token_helper = "/nonexistent"},
                     0, system_random());
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code(), Code::conflict);
  EXPECT_TRUE(fs::is_symlink(scratch_ / "link"));
}

TEST_F(AgentState, IsInUseWhileItsAgentRuns) {
  EXPECT_FALSE(is_in_use(store()));
  EXPECT_FALSE(fs::exists(store().string() + ".lock"));
  {
    const auto agent = StoreLock::acquire(store());
    ASSERT_TRUE(agent);
    EXPECT_TRUE(is_in_use(store()));
  }
  EXPECT_FALSE(is_in_use(store()));
}

// SQLite finishes the replay of a rollback journal by removing the file that the journal names as its
// super-journal.
TEST_F(AgentState, HasNoOtherFileRemoved) {
  const std::string name = victim().string();
  constexpr std::uint64_t kMagic = 0xd9d505f920a163d7;
  constexpr std::uint32_t kPage = 4096;
  constexpr std::size_t kSector = 512;
  Writer journal;
  journal.u64(kMagic).u32(0).u32(0).u32(static_cast<std::uint32_t>(fs::file_size(store()) / kPage));
  journal.u32(kSector).u32(kPage).bytes(Bytes(kSector - journal.view().size()));
  std::uint32_t sum = 0;
  for (const char byte : name) sum += static_cast<unsigned char>(byte);
  journal.u32(0x4000'0000 / kPage + 1).bytes(bytes_of(name));
  journal.u32(static_cast<std::uint32_t>(name.size())).u32(sum).u64(kMagic);
  harness::write_file(store().string() + "-journal", text_of(journal.view()));

  const auto last = last_log_entry(store());
  ASSERT_FALSE(last);
  EXPECT_NE(last.error().message().find("rollback journal"), std::string::npos) << last.error().message();
  EXPECT_FALSE(known_keys(store()));
  EXPECT_FALSE(backs_up());
  EXPECT_EQ(harness::read_file(victim()), "the operator's");

  // SQLite does that for a program that opens the store as its own.
  Owned<sqlite3, sqlite3_close_v2> own;
  ASSERT_EQ(sqlite3_open(store().c_str(), out(own)), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(own.get(), "SELECT seq FROM log", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_FALSE(fs::exists(victim()));
}

TEST_F(AgentState, LeadsABackupToNoOtherFile) {
  fs::create_symlink(victim(), state() / "invitations/cd34");
  ASSERT_EQ(mkfifo((state() / "invitations/ef56").c_str(), 0600), 0);
  const auto done = backs_up();
  ASSERT_TRUE(done) << done.error().message();
  const fs::path copy = hsm::state_of(out_folder()) / "invitations";
  EXPECT_EQ(std::distance(fs::directory_iterator(copy), fs::directory_iterator()), 1);
  EXPECT_EQ(harness::read_file(copy / "ab12"), "a record");
}

class LinkedState : public AgentState, public testing::WithParamInterface<const char*> {};

TEST_P(LinkedState, IsNotBackedUpWithALinkInThePlaceOf) {
  put_link(state() / GetParam());
  const auto done = backs_up();
  ASSERT_FALSE(done);
  EXPECT_FALSE(fs::exists(out_folder()));
}
INSTANTIATE_TEST_SUITE_P(Names, LinkedState, testing::Values("epochs", "invitations", "store.db"));

TEST_F(AgentState, KeepsNobodyWaitingAtAFifo) {
  fs::remove(store());
  ASSERT_EQ(mkfifo(store().c_str(), 0600), 0);
  EXPECT_EQ(known_keys(store()).error().code(), Code::altered);
  EXPECT_FALSE(backs_up());
  fs::remove(state() / "epochs");
  ASSERT_EQ(mkfifo((state() / "epochs").c_str(), 0600), 0);
  EXPECT_FALSE(backs_up());
}

// The operator controls the folder itself, and may have moved it to another disk.
TEST_F(AgentState, MayBeReachedByALink) {
  fs::create_symlink(folder(), scratch_ / "agent-link");
  EXPECT_EQ(*last_log_entry(hsm::state_of(scratch_ / "agent-link") / "store.db"), 3u);
}

}  // namespace
}  // namespace coprotect::provisioning
