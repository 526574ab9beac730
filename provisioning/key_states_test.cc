#include "provisioning/key_states.h"

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
  auto list = with_use(list_of({{kOld, KeyUse::encrypts, 1}}), kNew, KeyUse::encrypts, 9, 9);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->keys,
            (std::vector<KeyList::Entry>{{kNew, KeyUse::encrypts, 9}, {kOld, KeyUse::decrypt_only, 9}}));
  // And back.
  list = with_use(*std::move(list), kOld, KeyUse::encrypts, 10, 10);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->keys,
            (std::vector<KeyList::Entry>{{kOld, KeyUse::encrypts, 10}, {kNew, KeyUse::decrypt_only, 10}}));
}

TEST(KeyStates, MayLeaveNoKeyThatEncrypts) {
  const auto list = with_use(list_of({{kNew, KeyUse::encrypts, 1}, {kOld, KeyUse::decrypt_only, 1}}), kNew,
                             KeyUse::disabled, 9, 9);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->keys,
            (std::vector<KeyList::Entry>{{kNew, KeyUse::disabled, 9}, {kOld, KeyUse::decrypt_only, 1}}));
}

TEST(KeyStates, TakeInAKeyThatWasNotListed) {
  const auto list = with_use(list_of({{kNew, KeyUse::encrypts, 1}}), kOld, KeyUse::disabled, 9, 9);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->keys,
            (std::vector<KeyList::Entry>{{kNew, KeyUse::encrypts, 1}, {kOld, KeyUse::disabled, 9}}));
}

TEST(KeyStates, TakeADestructionBackUntilItsTime) {
  const KeyList list = list_of({{kOld, KeyUse::destroyed, 100}});
  EXPECT_TRUE(with_use(list, kOld, KeyUse::decrypt_only, 99, 99));
  EXPECT_EQ(with_use(list, kOld, KeyUse::decrypt_only, 100, 100).error().code(), Code::conflict);
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
  std::filesystem::create_symlink("alone.cop", scratch / "folder/link.cop");

  const auto found = affected_files({scratch / "folder"}, key_id, list_of({{key_id, KeyUse::encrypts, 1}}));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->unreadable, (std::vector<std::filesystem::path>{scratch / "folder/alone.cop",
                                                                   scratch / "folder/deep/alone.cop"}));
  EXPECT_EQ(found->looked_at, 3u);
  EXPECT_EQ(found->unknown, std::vector<std::filesystem::path>{scratch / "folder/broken.cop"});
  EXPECT_FALSE(affected_files({scratch / "nowhere"}, key_id, list_of({})));
}

}  // namespace
}  // namespace coprotect::provisioning
