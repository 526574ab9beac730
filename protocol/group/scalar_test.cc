#include "protocol/group/scalar.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/group/group.h"
#include "protocol/group/test_suites.h"

namespace coprotect::protocol {
namespace {

class StuckRandom final : public Random {
 public:
  explicit StuckRandom(std::uint8_t byte) : byte_(byte) {}
  void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), byte_); }

 private:
  std::uint8_t byte_;
};

class ScalarTest : public testing::TestWithParam<SuiteId> {
 protected:
  const ScalarField& field() const { return group_of(GetParam()).scalars(); }
  Scalar of(std::uint64_t value) const { return Scalar::from_u64(field(), value); }
  Bytes order() const { return {field().modulus().begin(), field().modulus().end()}; }
  Scalar minus_one() const { return of(0) - of(1); }
};
INSTANTIATE_TEST_SUITE_P(Suites, ScalarTest, testing::ValuesIn(kAllSuites), test::suite_label);

TEST_P(ScalarTest, ParsesWhatItEncodes) {
  const Scalar x = Scalar::random(field(), system_random());
  const auto y = Scalar::parse(field(), x.bytes().reveal());
  ASSERT_TRUE(y);
  EXPECT_TRUE(x == *y);
  EXPECT_TRUE(Scalar::parse(field(), Bytes(field().size())));  // zero is a scalar
}

TEST_P(ScalarTest, RefusesTheOrderAndMore) {
  Bytes bytes = order();
  EXPECT_EQ(Scalar::parse(field(), bytes).error().code(), Code::malformed);
  for (std::size_t i = bytes.size(); ++bytes[--i] == 0;) continue;  // q + 1
  EXPECT_EQ(Scalar::parse(field(), bytes).error().code(), Code::malformed);
  EXPECT_EQ(Scalar::parse(field(), Bytes(field().size(), 0xff)).error().code(), Code::malformed);
  bytes = order();
  bytes.back() -= 1;
  ASSERT_TRUE(Scalar::parse(field(), bytes));
  EXPECT_TRUE(*Scalar::parse(field(), bytes) == minus_one());
}

TEST_P(ScalarTest, RefusesAnotherWidth) {
  EXPECT_FALSE(Scalar::parse(field(), {}));
  EXPECT_FALSE(Scalar::parse(field(), Bytes(field().size() - 1)));
  EXPECT_FALSE(Scalar::parse(field(), Bytes(field().size() + 1)));
}

TEST_P(ScalarTest, ComputesAtTheEdges) {
  const Scalar a = Scalar::random(field(), system_random());
  EXPECT_TRUE((a - a).is_zero());
  EXPECT_TRUE((minus_one() + of(1)).is_zero());
  EXPECT_TRUE(minus_one() + minus_one() == of(0) - of(2));
  EXPECT_TRUE(minus_one() * minus_one() == of(1));
  EXPECT_TRUE(a + of(0) == a);
  EXPECT_TRUE(a * of(1) == a);
  EXPECT_TRUE((a * of(0)).is_zero());
  EXPECT_TRUE(of(0xffffffffffffffff) + of(1) == of(0x100000000) * of(0x100000000));
}

TEST_P(ScalarTest, IsAField) {
  const Scalar a = Scalar::random(field(), system_random());
  const Scalar b = Scalar::random(field(), system_random());
  const Scalar c = Scalar::random(field(), system_random());
  EXPECT_TRUE((a + b) * c == a * c + b * c);
  EXPECT_TRUE((a - b) * c == a * c - b * c);
  EXPECT_TRUE(a * b == b * a);
  EXPECT_TRUE(a * a.inverse() == of(1));
  EXPECT_TRUE(minus_one().inverse() == minus_one());
  EXPECT_TRUE(of(2).inverse() + of(2).inverse() == of(1));
}

TEST_P(ScalarTest, ReducesAnyLength) {
  EXPECT_TRUE(Scalar::reduce(field(), {}).is_zero());
  EXPECT_TRUE(Scalar::reduce(field(), order()).is_zero());
  Bytes wide = order();
  wide.insert(wide.end(), {0, 0, 0, 0, 0, 0, 0, 7});  // q·2^64 + 7
  EXPECT_TRUE(Scalar::reduce(field(), wide) == of(7));
  EXPECT_TRUE(Scalar::reduce(field(), Bytes{1, 0, 0}) == of(65536));
}

using ScalarDeathTest = ScalarTest;
INSTANTIATE_TEST_SUITE_P(Suites, ScalarDeathTest, testing::Values(SuiteId::p256), test::suite_label);

TEST_P(ScalarDeathTest, ZeroHasNoInverse) {
  EXPECT_EXIT({ [[maybe_unused]] const Scalar x = of(0).inverse(); }, testing::KilledBySignal(SIGABRT), "");
}

TEST_P(ScalarDeathTest, AGeneratorStuckAtZeroEndsTheProgram) {
  EXPECT_EXIT(
      {
        StuckRandom stuck(0);
        [[maybe_unused]] const Scalar x = Scalar::random(field(), stuck);
      },
      testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace coprotect::protocol
