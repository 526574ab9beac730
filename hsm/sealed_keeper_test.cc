#include "hsm/sealed_keeper.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

#include "protocol/base/random.h"
#include "protocol/group/group.h"
#include "swtpm-tests/harness/helper_script.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::hsm {
namespace {

using protocol::Element;
using protocol::Group;
using protocol::group_of;
using protocol::PartialSet;
using protocol::Purpose;
using protocol::Scalar;
using protocol::SuiteId;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;

ShareId id_in(SuiteId suite) {
  ShareId id{
      .tenant = "acme", .key_id = {}, .purpose = Purpose::envelope, .suite = suite, .index = 1, .epoch = 0};
  id.key_id.fill(7);
  return id;
}

// A share with everything that a computation needs.
struct Case {
  explicit Case(SuiteId suite)
      : group(group_of(suite)),
        id(id_in(suite)),
        share(Scalar::random(group.scalars(), system_random())),
        public_share(group.generator_power_secret(share)) {
    for (int i = 0; i < 3; ++i) bases.push_back(group.random_message(system_random()));
    context.fill(9);
  }

  Result<PartialSet> compute(ShareKeeper& keeper, const ShareId& as, ByteView record) const {
    return keeper.compute(as, record, public_share, bases, context, system_random(), Interest());
  }
  // Whether the keeper answers with partials that verify.
  testing::AssertionResult computes(ShareKeeper& keeper, ByteView record) const {
    const auto set = compute(keeper, id, record);
    if (!set) return testing::AssertionFailure() << set.error().message();
    const auto verified = verify_partials(public_share, bases, *set, context);
    if (!verified) return testing::AssertionFailure() << verified.error().message();
    return testing::AssertionSuccess();
  }
  testing::AssertionResult fails(ShareKeeper& keeper, const ShareId& as, ByteView record, Code code) const {
    const auto set = compute(keeper, as, record);
    if (set) return testing::AssertionFailure() << "partials came back";
    if (set.error().code() != code) return testing::AssertionFailure() << set.error().message();
    return testing::AssertionSuccess();
  }

  const Group& group;
  ShareId id;
  Scalar share;
  Element public_share;
  std::vector<Element> bases;
  Digest context{};
};

class SealedKeeperOnATpm : public testing::TestWithParam<SuiteId> {
 protected:
  SealedKeeperOnATpm()
      : counting_helper_(harness::helper_script(
            scratch_, "counting", "echo call >> " + calls_.string() + "\nexec " COPROTECT_TOKEN)) {}
  std::unique_ptr<ShareKeeper> keeper(std::chrono::milliseconds hold = 1h) const {
    return make_sealed_keeper(Token({.uri = tpm_.uri(), .helper = counting_helper_}), scratch_ / "epochs",
                              hold);
  }
  // The number of token calls so far.
  std::size_t calls() const {
    const std::string lines = harness::read_file(calls_);
    return static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
  }

  harness::Scratch scratch_;
  harness::SoftTpm tpm_{scratch_ / "tpm"};
  std::filesystem::path calls_ = scratch_ / "calls";
  std::filesystem::path counting_helper_;
  Case case_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Suites, SealedKeeperOnATpm, testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& suite) { return std::string(suite_name(suite.param)); });

TEST_P(SealedKeeperOnATpm, ComputesWithTheShareThatItSealed) {
  const auto record = keeper()->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  // Another process, later.
  EXPECT_TRUE(case_.computes(*keeper(), *record));
}

TEST_P(SealedKeeperOnATpm, RecordDoesNotShowTheShare) {
  const auto record = keeper()->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  const ByteView share = case_.share.bytes().reveal();
  EXPECT_EQ(std::search(record->begin(), record->end(), share.begin(), share.begin() + 8), record->end());
}

TEST_P(SealedKeeperOnATpm, RefusesARecordUnderAnotherId) {
  const auto keeper = this->keeper();
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  std::vector<ShareId> others(6, case_.id);
  others[0].tenant = "acmf";
  others[1].key_id[31] ^= 1;
  others[2].purpose = Purpose::derive;
  others[3].index = 2;
  others[4].epoch = 1;
  others[5].tenant = "";
  for (const ShareId& other : others) EXPECT_TRUE(case_.fails(*keeper, other, *record, Code::altered));
  // Only the suite differs, with elements of that suite.
  const Case another_suite(GetParam() == SuiteId::p256 ? SuiteId::ffdhe3072 : SuiteId::p256);
  EXPECT_TRUE(another_suite.fails(*keeper, another_suite.id, *record, Code::altered));
  // The same while the share is cached.
  EXPECT_TRUE(case_.computes(*keeper, *record));
  for (const ShareId& other : others) EXPECT_TRUE(case_.fails(*keeper, other, *record, Code::altered));
}

TEST_P(SealedKeeperOnATpm, RefusesARecordOfAnotherSuite) {
  const auto keeper = this->keeper();
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  for (const SuiteId suite : protocol::kAllSuites)
    if (suite != GetParam()) {
      const Case other(suite);
      EXPECT_TRUE(other.fails(*keeper, other.id, *record, Code::altered));
      EXPECT_TRUE(other.fails(*keeper, case_.id, *record, Code::malformed));
    }
}

TEST_P(SealedKeeperOnATpm, RefusesARecordWithAnyByteChangedAddedOrMissing) {
  const auto keeper = this->keeper();
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_TRUE(case_.computes(*keeper, *record));  // and the share stays held
  for (std::size_t i = 0; i < record->size(); i += 23) {
    Bytes changed = *record;
    changed[i] ^= 1;
    EXPECT_TRUE(case_.fails(*keeper, case_.id, changed, Code::altered)) << "byte " << i;
  }
  Bytes longer = *record;
  longer.push_back(0);
  EXPECT_TRUE(case_.fails(*keeper, case_.id, longer, Code::altered));
  EXPECT_TRUE(case_.fails(*keeper, case_.id, ByteView(*record).first(record->size() - 1), Code::altered));
  EXPECT_TRUE(case_.fails(*keeper, case_.id, {}, Code::altered));
}

TEST_P(SealedKeeperOnATpm, RefusesAShareThatIsNotThePublicOne) {
  const auto keeper = this->keeper();
  const Case other(GetParam());
  const auto record = keeper->seal(case_.id, other.share);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_TRUE(case_.fails(*keeper, case_.id, *record, Code::altered));
}

TEST_P(SealedKeeperOnATpm, RefusesToComputeNothing) {
  const auto keeper = this->keeper();
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  case_.bases.clear();
  EXPECT_TRUE(case_.fails(*keeper, case_.id, *record, Code::malformed));
}

TEST_P(SealedKeeperOnATpm, HoldsAShareAsLongAsItIsTold) {
  const auto keeper = this->keeper(1h);
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_EQ(calls(), 2U);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(case_.computes(*keeper, *record));
  keeper->sweep();
  EXPECT_TRUE(case_.computes(*keeper, *record));
  EXPECT_EQ(calls(), 3U);
  keeper->sweep();
  EXPECT_TRUE(case_.computes(*keeper, *record));
  EXPECT_EQ(calls(), 3U);
}

// With an old copy of the record and of the table of epoch keys, and the live token.
TEST_P(SealedKeeperOnATpm, OpensNothingOfADestroyedEpoch) {
  const auto keeper = this->keeper();
  ShareId next = case_.id;
  next.epoch = 1;
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  const auto of_next = keeper->seal(next, case_.share);
  ASSERT_TRUE(of_next) << of_next.error().message();
  EXPECT_TRUE(case_.computes(*keeper, *record));  // and the share stays held
  std::filesystem::copy_file(scratch_ / "epochs", scratch_ / "old");
  const EpochId epoch{case_.id.key_id, 0};
  ASSERT_TRUE(keeper->destroy_epochs({&epoch, 1}));
  EXPECT_TRUE(case_.fails(*keeper, case_.id, *record, Code::altered));
  EXPECT_TRUE(case_.compute(*keeper, next, *of_next));
  const auto with_old_disk =
      make_sealed_keeper(Token({.uri = tpm_.uri(), .helper = COPROTECT_TOKEN}), scratch_ / "old", 0ms);
  EXPECT_TRUE(case_.fails(*with_old_disk, case_.id, *record, Code::altered));
  EXPECT_FALSE(with_old_disk->recover(Sealed::before));
}

TEST_P(SealedKeeperOnATpm, SealsBytesOfAnEpochThatEndWithIt) {
  const auto keeper = this->keeper();
  const EpochId epoch{case_.id.key_id, 3};
  const EpochId other{case_.id.key_id, 4};
  const Bytes parts(200'000, 7);
  const auto record = keeper->seal_bytes(epoch, "recovery parts", parts);
  ASSERT_TRUE(record) << record.error().message();
  ASSERT_TRUE(keeper->seal_bytes(other, "recovery parts", parts));
  const auto opened = keeper->open_bytes(epoch, "recovery parts", *record);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(std::ranges::equal(opened->reveal(), parts));
  EXPECT_FALSE(keeper->open_bytes(epoch, "something else", *record));
  EXPECT_FALSE(keeper->open_bytes(other, "recovery parts", *record));
  EXPECT_FALSE(keeper->seal_bytes(epoch, "recovery parts", Bytes((256U << 10) + 1)));
  ASSERT_TRUE(keeper->destroy_epochs({&epoch, 1}));
  const auto gone = keeper->open_bytes(epoch, "recovery parts", *record);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), Code::altered);
}

TEST_P(SealedKeeperOnATpm, SweepsAnIdleShareOut) {
  const auto keeper = this->keeper(1ms);
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  const auto sweep = [&] {
    const auto idle_since = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - idle_since < 2ms) {
    }
    keeper->sweep();
  };
  EXPECT_TRUE(case_.computes(*keeper, *record));  // fills the libraries' own caches too
  sweep();
  const std::size_t before = locked_memory::in_use();
  EXPECT_TRUE(case_.computes(*keeper, *record));
  EXPECT_GT(locked_memory::in_use(), before);
  sweep();
  EXPECT_EQ(locked_memory::in_use(), before);
  EXPECT_TRUE(case_.computes(*keeper, *record));
  EXPECT_EQ(calls(), 5U);
}

TEST_P(SealedKeeperOnATpm, WithoutHoldUnsealsForEveryCallAndKeepsNothing) {
  const auto keeper = this->keeper(0ms);
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_TRUE(case_.computes(*keeper, *record));
  const std::size_t before = locked_memory::in_use();
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(case_.computes(*keeper, *record));
  EXPECT_EQ(locked_memory::in_use(), before);
  EXPECT_EQ(calls(), 5U);
}

TEST_P(SealedKeeperOnATpm, UnsealsOnceForCallsAtTheSameTime) {
  const auto keeper = this->keeper();
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  std::vector<std::future<bool>> requests;
  for (int i = 0; i < 8; ++i)
    requests.push_back(
        std::async(std::launch::async, [&] { return bool(case_.computes(*keeper, *record)); }));
  for (auto& request : requests) EXPECT_TRUE(request.get());
  EXPECT_EQ(calls(), 3U);
}

TEST_P(SealedKeeperOnATpm, SurvivesItsTokensAbsence) {
  const auto keeper = this->keeper();
  const auto record = keeper->seal(case_.id, case_.share);
  ASSERT_TRUE(record) << record.error().message();
  tpm_.kill();
  EXPECT_TRUE(case_.fails(*keeper, case_.id, *record, Code::unavailable));
  EXPECT_FALSE(keeper->probe());
  tpm_.start();
  EXPECT_TRUE(keeper->probe());
  EXPECT_TRUE(case_.computes(*keeper, *record));
}

TEST(SealedKeeperOnAPkcs11Token, ComputesWithTheShareThatItSealed) {
  const harness::Scratch scratch;
  const harness::SoftToken token(scratch / "token");
  token.use();
  for (const SuiteId suite : {SuiteId::p256, SuiteId::ffdhe3072}) {
    const Case share(suite);
    const Token config({.uri = token.uri(), .helper = COPROTECT_TOKEN});
    const auto record = make_sealed_keeper(config, scratch / "epochs", 0ms)->seal(share.id, share.share);
    ASSERT_TRUE(record) << record.error().message();
    EXPECT_TRUE(share.computes(*make_sealed_keeper(config, scratch / "epochs", 0ms), *record));
  }
}

}  // namespace
}  // namespace coprotect::hsm
