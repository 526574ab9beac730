#include "hsm/plan_approvals.h"

#include <gtest/gtest.h>

#include <fstream>

#include "protocol/base/random.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::hsm {
namespace {

class PlanApprovalsTest : public testing::Test {
 protected:
  Result<Keyring> keyring(const std::string& name) const {
    return Keyring::create(Token({.uri = tpm_.uri(), .helper = COPROTECT_TOKEN}), scratch_ / name,
                           system_random());
  }
  static protocol::PendingPlan plan(std::uint8_t key, std::uint8_t hash) {
    return {.key_id = {key},
            .plan_hash = {hash},
            .epoch = 1,
            .client = "coprotect:acme:admin:root",
            .proposed_ms = 5,
            .words = "words\n"};
  }
  static protocol::OperatorApproval approval(std::uint8_t key, std::uint8_t hash) {
    return {.key_id = {key}, .plan_hash = {hash}, .not_after_ms = 7};
  }
  template <typename T>
  static Code code_of(const Result<T>& result) {
    return result ? Code::internal : result.error().code();
  }

  harness::Scratch scratch_;
  harness::SoftTpm tpm_{scratch_ / "tpm"};
};

// The operator may be root.
TEST_F(PlanApprovalsTest, AreNotWrittenThroughALink) {
  const auto own = keyring("keyring");
  ASSERT_TRUE(own) << own.error().message();
  std::filesystem::create_directory(scratch_ / "elsewhere");
  std::filesystem::create_directory_symlink(scratch_ / "elsewhere", scratch_ / "approvals");
  const auto approved = PlanApprovals(scratch_.path(), *own).approve(approval(1, 10));
  ASSERT_FALSE(approved);
  EXPECT_EQ(approved.error().code(), Code::altered);
  EXPECT_TRUE(std::filesystem::is_empty(scratch_ / "elsewhere"));
}

TEST_F(PlanApprovalsTest, AgentAndOperatorReadEachOther) {
  const auto own = keyring("keyring");
  ASSERT_TRUE(own) << own.error().message();
  const PlanApprovals at(scratch_.path(), *own);
  ASSERT_TRUE(at.all_pending());
  EXPECT_TRUE(at.all_pending()->plans.empty());
  EXPECT_EQ(code_of(at.pending({1})), Code::not_found);
  ASSERT_TRUE(at.put_pending(plan(1, 10)));
  ASSERT_TRUE(at.put_pending(plan(2, 20)));
  ASSERT_TRUE(at.put_pending(plan(1, 11)));  // in the first one's place
  EXPECT_EQ(at.all_pending()->plans.size(), 2u);
  EXPECT_EQ(at.pending({1})->plan_hash, Digest{11});

  EXPECT_FALSE(*at.approval_of({11}));
  ASSERT_TRUE(at.approve(approval(1, 11)));
  EXPECT_EQ((*at.approval_of({11}))->not_after_ms, 7);
  EXPECT_FALSE(*at.approval_of({20}));
  ASSERT_TRUE(at.withdraw({11}));
  EXPECT_FALSE(*at.approval_of({11}));
  EXPECT_EQ(code_of(at.withdraw({11})), Code::not_found);

  ASSERT_TRUE(at.approve(approval(1, 11)));
  ASSERT_TRUE(at.forget({1}));
  ASSERT_TRUE(at.forget({1}));
  EXPECT_FALSE(*at.approval_of({11}));
  EXPECT_EQ(at.all_pending()->plans.size(), 1u);
  ASSERT_TRUE(at.approve(approval(2, 20)));
  ASSERT_TRUE(at.forget_all());
  EXPECT_TRUE(at.all_pending()->plans.empty());
  EXPECT_FALSE(*at.approval_of({20}));
}

// An attacker who can write the folder, but cannot open the keyring, approves nothing.
TEST_F(PlanApprovalsTest, AnotherHandIsNoticed) {
  const auto own = keyring("keyring");
  const auto other = keyring("other");
  ASSERT_TRUE(own && other);
  const PlanApprovals at(scratch_.path(), *own);
  ASSERT_TRUE(PlanApprovals(scratch_.path(), *other).approve(approval(1, 10)));
  EXPECT_EQ(code_of(at.approval_of({10})), Code::altered);
  // An approval of another plan under this one's name.
  ASSERT_TRUE(at.approve(approval(1, 11)));
  std::filesystem::rename(scratch_ / "approvals" / to_hex(Digest{11}),
                          scratch_ / "approvals" / to_hex(Digest{10}));
  EXPECT_EQ(code_of(at.approval_of({10})), Code::altered);
  // A pending plan is not an approval.
  ASSERT_TRUE(at.put_pending(plan(1, 10)));
  std::filesystem::rename(scratch_ / "pending" / to_hex(protocol::KeyId{1}),
                          scratch_ / "approvals" / to_hex(Digest{10}));
  EXPECT_FALSE(at.approval_of({10}));
  std::ofstream(scratch_ / "pending" / to_hex(protocol::KeyId{1})) << "x";
  const auto all = at.all_pending();
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->plans.empty());
  ASSERT_EQ(all->unreadable.size(), 1u);
  EXPECT_EQ(all->unreadable[0].code(), Code::altered);
}

// An unreadable plan of one key does not block the others, and the error names its file.
TEST_F(PlanApprovalsTest, AnUnreadablePlanIsNamedAndTheOthersAreListed) {
  const auto own = keyring("keyring");
  ASSERT_TRUE(own);
  const PlanApprovals at(scratch_.path(), *own);
  ASSERT_TRUE(at.put_pending(plan(1, 10)));
  ASSERT_TRUE(at.put_pending(plan(2, 20)));
  ASSERT_TRUE(at.put_pending(plan(3, 30)));
  ASSERT_TRUE(at.approve(approval(2, 20)));
  ASSERT_TRUE(at.approve(approval(3, 30)));
  const auto file = scratch_ / "pending" / to_hex(protocol::KeyId{2});
  std::ofstream(file) << std::string(std::size_t{5} << 20, 'x');
  const auto all = at.all_pending();
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_EQ(all->plans.size(), 2u);
  ASSERT_EQ(all->unreadable.size(), 1u);
  EXPECT_NE(all->unreadable[0].message().find(file.string()), std::string::npos)
      << all->unreadable[0].message();
  // It is removed together with its approval; the others' stay.
  ASSERT_TRUE(at.forget({2}));
  EXPECT_TRUE(at.all_pending()->unreadable.empty());
  EXPECT_FALSE(*at.approval_of({20}));
  EXPECT_TRUE(*at.approval_of({30}));
}

TEST_F(PlanApprovalsTest, APlanThatCouldNotBeReadBackIsNotWritten) {
  const auto own = keyring("keyring");
  ASSERT_TRUE(own);
  const PlanApprovals at(scratch_.path(), *own);
  auto long_one = plan(1, 10);
  long_one.words = std::string(std::size_t{256} << 10, 'x');
  EXPECT_EQ(code_of(at.put_pending(long_one)), Code::denied);
  EXPECT_EQ(code_of(at.pending({1})), Code::not_found);
  // The longest one is read back.
  long_one.words.resize(long_one.words.size() - 32 - (long_one.encode().size() - long_one.words.size()));
  ASSERT_TRUE(at.put_pending(long_one));
  EXPECT_EQ(at.pending({1})->words, long_one.words);
}

}  // namespace
}  // namespace coprotect::hsm
