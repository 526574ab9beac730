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

TEST_F(PlanApprovalsTest, AgentAndOperatorReadEachOther) {
  const auto own = keyring("keyring");
  ASSERT_TRUE(own) << own.error().message();
  const PlanApprovals at(scratch_.path(), *own);
  ASSERT_TRUE(at.all_pending());
  EXPECT_TRUE(at.all_pending()->empty());
  EXPECT_EQ(code_of(at.pending({1})), Code::not_found);
  ASSERT_TRUE(at.put_pending(plan(1, 10)));
  ASSERT_TRUE(at.put_pending(plan(2, 20)));
  ASSERT_TRUE(at.put_pending(plan(1, 11)));  // in the first one's place
  EXPECT_EQ(at.all_pending()->size(), 2u);
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
  EXPECT_EQ(at.all_pending()->size(), 1u);
  ASSERT_TRUE(at.approve(approval(2, 20)));
  ASSERT_TRUE(at.forget_all());
  EXPECT_TRUE(at.all_pending()->empty());
  EXPECT_FALSE(*at.approval_of({20}));
}

// Who can write the folder, but cannot open the keyring, approves nothing.
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
  // A pending plan is no approval.
  ASSERT_TRUE(at.put_pending(plan(1, 10)));
  std::filesystem::rename(scratch_ / "pending" / to_hex(protocol::KeyId{1}),
                          scratch_ / "approvals" / to_hex(Digest{10}));
  EXPECT_FALSE(at.approval_of({10}));
  std::ofstream(scratch_ / "pending" / to_hex(protocol::KeyId{1})) << "x";
  EXPECT_EQ(code_of(at.all_pending()), Code::altered);
}

}  // namespace
}  // namespace coprotect::hsm
