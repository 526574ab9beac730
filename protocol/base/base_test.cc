#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

#include "protocol/base/arena.h"
#include "protocol/base/bytes.h"
#include "protocol/base/reader.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"
#include "protocol/base/writer.h"

namespace coprotect {
namespace {

static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);

Result<int> half(int n) {
  if (n % 2 != 0) return Error(Code::malformed, "odd number");
  return n / 2;
}

TEST(Result, CarriesValueOrError) {
  EXPECT_EQ(*half(4), 2);
  auto bad = half(3);
  ASSERT_FALSE(bad);
  EXPECT_EQ(std::move(bad).error().in("halving").message(), "halving: odd number");
}

TEST(ResultDeathTest, ReadingTheWrongSideAborts) {
  EXPECT_EXIT(
      {
        auto r = half(3);
        [[maybe_unused]] int x = *r;
      },
      testing::KilledBySignal(SIGABRT), "");
}

TEST(Secret, MovesAndLivesInLockedMemory) {
  Secret a(32);
  EXPECT_TRUE(locked_memory::contains(a.reveal().data()));
  a.fill()[0] = 7;
  const Secret b = std::move(a);
  EXPECT_EQ(b.reveal()[0], 7);
  EXPECT_EQ(a.size(), 0u);  // NOLINT(bugprone-use-after-move): the moved-from state is what is tested
  EXPECT_FALSE(equal_in_constant_time(b, Secret(32)));
  EXPECT_TRUE(equal_in_constant_time(b, b.clone()));
}

TEST(Arena, WipesWhatIsReleased) {
  auto* const p = static_cast<std::uint8_t*>(locked_memory::allocate(1000));
  ASSERT_NE(p, nullptr);
  std::memset(p, 0xa5, 1000);
  locked_memory::release(p);
  EXPECT_TRUE(std::all_of(p, p + 1000, [](std::uint8_t b) { return b == 0; }));
}

TEST(Arena, GivesZeroedMemoryOfEverySize) {
  const std::size_t before = locked_memory::in_use();
  for (std::size_t size = 0; size < 3'000'000; size = size * 3 + 1) {
    auto* const p = static_cast<std::uint8_t*>(locked_memory::allocate(size));
    ASSERT_NE(p, nullptr) << size;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 16, 0u);
    EXPECT_TRUE(std::all_of(p, p + size, [](std::uint8_t b) { return b == 0; }));
    if (size > 0) std::memset(p, 1, size);
    locked_memory::release(p);
  }
  EXPECT_EQ(locked_memory::in_use(), before);
  EXPECT_EQ(locked_memory::allocate(SIZE_MAX), nullptr);
}

TEST(Arena, ReallocationKeepsTheBytesAndWipesTheOldBlock) {
  auto* const p = static_cast<std::uint8_t*>(locked_memory::allocate(40));
  std::memset(p, 9, 40);
  auto* const q = static_cast<std::uint8_t*>(locked_memory::reallocate(p, 4000));
  ASSERT_NE(q, p);
  EXPECT_TRUE(std::all_of(q, q + 40, [](std::uint8_t b) { return b == 9; }));
  EXPECT_EQ(p[0], 0);
  locked_memory::release(q);
}

TEST(Arena, ServesSeveralThreads) {
  std::vector<std::jthread> threads;
  for (unsigned char t = 1; t <= 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 2000; ++i) {
        const std::size_t size = static_cast<std::size_t>(i % 700 + 1);
        auto* const p = static_cast<std::uint8_t*>(locked_memory::allocate(size));
        std::memset(p, t, size);
        if (!std::all_of(p, p + size, [t](std::uint8_t b) { return b == t; })) std::abort();
        locked_memory::release(p);
      }
    });
  }
}

TEST(ArenaDeathTest, DoubleReleaseAborts) {
  EXPECT_EXIT(
      {
        void* const p = locked_memory::allocate(8);
        locked_memory::release(p);
        locked_memory::release(p);
      },
      testing::KilledBySignal(SIGABRT), "");
}

TEST(ArenaDeathTest, ReadingPastASegmentFaults) {
  EXPECT_DEATH(
      {
        const auto* p =
            static_cast<const volatile std::uint8_t*>(locked_memory::allocate(std::size_t{2} << 20));
        for (std::size_t i = 0; i < (std::size_t{8} << 20); ++i)
          [[maybe_unused]] const std::uint8_t byte = p[i];
      },
      "");
}

TEST(Reader, ShortReadTakesNothing) {
  const std::uint8_t raw[] = {1, 2, 3};
  Reader r(raw);
  EXPECT_FALSE(r.bytes(4));
  EXPECT_FALSE(r.lp());  // 0x0102 bytes are not there
  EXPECT_EQ(r.u16(), 0x0102);
  EXPECT_FALSE(r.u16());
  EXPECT_FALSE(r.empty());
}

TEST(Writer, IsReadBackByReader) {
  Writer w;
  w.u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0f).lp("ab").lp4(bytes_of("cd")).literal("end");
  Reader r(w.view());
  EXPECT_EQ(r.u8(), 1);
  EXPECT_EQ(r.u16(), 0x0203);
  EXPECT_EQ(r.u32(), 0x04050607u);
  EXPECT_EQ(r.u64(), 0x08090a0b0c0d0e0fu);
  EXPECT_EQ(r.text(), "ab");
  EXPECT_EQ(text_of(*r.lp4()), "cd");
  EXPECT_FALSE(r.literal("enD"));
  EXPECT_TRUE(r.literal("end"));
  EXPECT_TRUE(r.empty());
}

TEST(Hex, RoundTripsAndRefusesOthers) {
  EXPECT_EQ(to_hex(*from_hex("00fFa1")), "00ffa1");
  EXPECT_FALSE(from_hex("abc"));
  EXPECT_FALSE(from_hex("zz"));
}

}  // namespace
}  // namespace coprotect
