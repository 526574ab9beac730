#include "provisioning/key_states.h"

#include <unistd.h>

#include <fstream>

#include "provisioning/affected_files.h"
#include "provisioning/test_tenant.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

using protocol::KeyId;
using protocol::KeyList;
using protocol::KeyUse;

constexpr KeyId kOld = {1};
constexpr KeyId kNew = {2};

KeyList list_of(std::vector<KeyList::Entry> keys) {
  return {.tenant = "acme", .serial = 1, .time_ms = 5, .keys = std::move(keys)};
}

TEST(KeyStates, BeginWithTheFirstKey) {
  const TestTenant tenant;
  const KeyList list = starting_list(tenant.bundle, 7);
  EXPECT_EQ(list.tenant, "acme");
  EXPECT_EQ(list.serial, 0u);
  EXPECT_EQ(list.keys, (std::vector<KeyList::Entry>{{tenant.bundle.key_id(), KeyUse::encrypts, 7}}));
}

TEST(KeyStates, HaveOneKeyThatEncryptsTheNewest) {
  KeyList list = with_use(list_of({{kOld, KeyUse::encrypts, 1}}), kNew, KeyUse::encrypts, 9);
  EXPECT_EQ(list.keys,
            (std::vector<KeyList::Entry>{{kNew, KeyUse::encrypts, 9}, {kOld, KeyUse::decrypt_only, 9}}));
  // And back.
  list = with_use(std::move(list), kOld, KeyUse::encrypts, 10);
  EXPECT_EQ(list.keys,
            (std::vector<KeyList::Entry>{{kOld, KeyUse::encrypts, 10}, {kNew, KeyUse::decrypt_only, 10}}));
}

TEST(KeyStates, MayLeaveNoKeyThatEncrypts) {
  const KeyList list = with_use(list_of({{kNew, KeyUse::encrypts, 1}, {kOld, KeyUse::decrypt_only, 1}}), kNew,
                                KeyUse::disabled, 9);
  EXPECT_EQ(list.keys,
            (std::vector<KeyList::Entry>{{kNew, KeyUse::disabled, 9}, {kOld, KeyUse::decrypt_only, 1}}));
}

TEST(KeyStates, TakeInAKeyThatWasNotListed) {
  const KeyList list = with_use(list_of({{kNew, KeyUse::encrypts, 1}}), kOld, KeyUse::disabled, 9);
  EXPECT_EQ(list.keys,
            (std::vector<KeyList::Entry>{{kNew, KeyUse::encrypts, 1}, {kOld, KeyUse::disabled, 9}}));
}

// A thief of the client CA's key can put one on the list.
TEST(KeyStates, TellKeysThatTheFolderDidNotMake) {
  const TestTenant tenant;
  const std::vector<FurtherKey> own = {{"acme", tenant.bundle}};
  const KeyList::Entry first{tenant.bundle.key_id(), KeyUse::decrypt_only, 1};
  EXPECT_TRUE(keys_not_of(list_of({first}), own).empty());
  EXPECT_EQ(keys_not_of(list_of({{kNew, KeyUse::encrypts, 1}, first}), own), std::vector{kNew});
}

// A thief of the client CA's key can write any time into a list, and an operator may hold the erasure. Only
// the agents know whether they erased.
TEST(KeyStates, TakeADestructionBackWhateverItsTimeSays) {
  const KeyList list = list_of({{kOld, KeyUse::destroyed, 100}});
  EXPECT_EQ(with_use(list, kOld, KeyUse::decrypt_only, 1000).keys,
            (std::vector<KeyList::Entry>{{kOld, KeyUse::decrypt_only, 1000}}));
}

// A thief of the client CA's key gave each agent another list. The folder's list is the valid one. But an
// agent accepts no list that omits a key.
TEST(KeyStates, OverTwoListsOfOneSerialAreTheFolders) {
  const KeyList folder = list_of({{kNew, KeyUse::encrypts, 1}, {kOld, KeyUse::decrypt_only, 1}});
  constexpr KeyId kStranger = {3};
  constexpr KeyId kOther = {4};
  KeyList one = list_of({{kStranger, KeyUse::encrypts, 2}, {kOld, KeyUse::destroyed, 2}});
  KeyList two = list_of({{kOther, KeyUse::destroyed, 3}, {kNew, KeyUse::disabled, 3}});
  one.serial = two.serial = 7;
  const KeyList over = over_forked(folder, {one, two});
  EXPECT_EQ(over.serial, 7u);
  EXPECT_EQ(over.keys, (std::vector<KeyList::Entry>{{kNew, KeyUse::encrypts, 1},
                                                    {kOld, KeyUse::decrypt_only, 1},
                                                    {kStranger, KeyUse::decrypt_only, 2},
                                                    {kOther, KeyUse::disabled, 3}}));
  EXPECT_EQ(with_destroyed(over, {one, two}).keys,
            (std::vector<KeyList::Entry>{{kNew, KeyUse::encrypts, 1},
                                         {kOld, KeyUse::destroyed, 2},
                                         {kStranger, KeyUse::decrypt_only, 2},
                                         {kOther, KeyUse::destroyed, 3}}));
}

// To an agent whose list withdrew a destruction, that destruction is new, and its time may be near. The agent
// treats the list as one after a list that it missed, and starts its own waiting time.
TEST(KeyStates, OverTwoListsOfOneSerialStayDestroyed) {
  const KeyList folder = list_of({{kOld, KeyUse::destroyed, 1}});
  KeyList one = list_of({{kOld, KeyUse::decrypt_only, 2}});
  KeyList two = list_of({{kOld, KeyUse::disabled, 2}});
  one.serial = two.serial = 7;
  const KeyList over = over_forked(folder, {one, two});
  EXPECT_EQ(over.serial, 8u);
  EXPECT_EQ(over.keys, folder.keys);
}

TEST(AffectedFiles, AreThoseThatOpenWithNothingElse) {
  const TestTenant tenant;
  const harness::Scratch scratch;
  std::filesystem::create_directories(scratch / "folder/deep");
  const KeyId key_id = tenant.bundle.key_id();
  const auto put = [&](const std::string& name, ByteView content) {
    std::ofstream(scratch / "folder" / name, std::ios::binary) << text_of(content);
  };
  const auto alone = protocol::Header::create(tenant.bundle.public_key(), key_id, {}, system_random());
  const auto other = protocol::Header::create(tenant.bundle.public_key(), kNew, {}, system_random());
  put("alone.cop", alone->first.encoded());
  put("deep/alone.cop", alone->first.encoded());
  put("other.cop", other->first.encoded());
  put("broken.cop", bytes_of("no file"));
  put("alone.bak", alone->first.encoded());
  put("deep/report.pdf", alone->first.encoded());
  put("deep/Y.COP", alone->first.encoded());
  put("cut", alone->first.encoded().first(20));
  put("text", bytes_of("CPV1 is a format"));
  std::filesystem::create_symlink("alone.cop", scratch / "folder/link.cop");
  std::filesystem::create_directory_symlink("deep", scratch / "folder/data");

  const auto found = affected_files({scratch / "folder"}, key_id, list_of({{key_id, KeyUse::encrypts, 1}}));
  ASSERT_TRUE(found) << found.error().message();
  using Paths = std::vector<std::filesystem::path>;
  const auto folder = scratch / "folder";
  EXPECT_EQ(found->unreadable, (Paths{folder / "alone.bak", folder / "alone.cop", folder / "deep/Y.COP",
                                      folder / "deep/alone.cop", folder / "deep/report.pdf"}));
  EXPECT_EQ(found->looked_at, 6u);
  EXPECT_EQ(found->others, 1u);
  EXPECT_EQ(found->unknown, (Paths{folder / "broken.cop", folder / "cut"}));
  EXPECT_EQ(found->not_looked_at, (Paths{folder / "data", folder / "link.cop"}));
  // Named files are examined, as by rewrap.
  const auto named = affected_files({folder / "data", folder / "link.cop"}, key_id, list_of({}));
  EXPECT_EQ(named->unreadable, (Paths{folder / "data/Y.COP", folder / "data/alone.cop",
                                      folder / "data/report.pdf", folder / "link.cop"}));
  EXPECT_FALSE(affected_files({scratch / "nowhere"}, key_id, list_of({})));

  // An unreadable folder is reported, and everything else is still examined.
  std::filesystem::permissions(scratch.path(), std::filesystem::perms(0755));
  std::filesystem::create_directory(scratch / "folder/closed");
  std::filesystem::permissions(scratch / "folder/closed", std::filesystem::perms(geteuid() == 0 ? 0700 : 0));
  const uid_t user = geteuid();
  ASSERT_EQ(user == 0 ? seteuid(65534) : 0, 0);
  const auto partly = affected_files({scratch / "folder"}, key_id, list_of({{key_id, KeyUse::encrypts, 1}}));
  ASSERT_EQ(seteuid(user), 0);
  ASSERT_TRUE(partly) << partly.error().message();
  EXPECT_EQ(partly->looked_at, 6u);
  EXPECT_EQ(partly->unknown, (Paths{folder / "broken.cop", folder / "closed", folder / "cut"}));
}

}  // namespace
}  // namespace coprotect::provisioning
