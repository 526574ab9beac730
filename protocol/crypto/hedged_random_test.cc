#include "protocol/crypto/hedged_random.h"

#include <gtest/gtest.h>

#include <set>

#include "protocol/testdata/fixed_random.h"

namespace coprotect::protocol {
namespace {

Bytes drawn(HedgedRandom random, std::size_t size) {
  Bytes bytes(size);
  random.fill(bytes);
  return bytes;
}

Bytes drawn(std::uint8_t fresh, std::uint8_t secret, std::string_view purpose, std::size_t size = 100) {
  StuckRandom stuck(fresh);
  return drawn(HedgedRandom(stuck, Secret::copy_of(Bytes(32, secret)), bytes_of(purpose)), size);
}

TEST(HedgedRandom, IsOneStreamHoweverItIsDrawn) {
  const Bytes whole = drawn(1, 2, "deal", 100);
  StuckRandom stuck(1);
  HedgedRandom pieces(stuck, Secret::copy_of(Bytes(32, 2)), bytes_of("deal"));
  Bytes again;
  for (const std::size_t size : {1u, 31u, 0u, 33u, 35u}) {
    Bytes piece(size);
    pieces.fill(piece);
    again.insert(again.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(again, whole);
}

// SPEC.md §3.3, computed with another implementation (Python's hmac).
TEST(HedgedRandom, IsTheStreamOfTheSpecification) {
  EXPECT_EQ(to_hex(drawn(1, 2, "deal", 40)),
            "ec7fd307ca67d3da662d91e4e390bb5f764fd5555ea050d9ff8a4e3bc3e0daea57a863c6b649368a");
}

TEST(HedgedRandom, DependsOnEachInput) {
  const std::set<Bytes> different{drawn(1, 2, "deal"), drawn(1, 2, "deal2"), drawn(1, 3, "deal"),
                                  drawn(2, 2, "deal")};
  EXPECT_EQ(different.size(), 4u);
  EXPECT_EQ(drawn(1, 2, "deal"), drawn(1, 2, "deal"));
}

}  // namespace
}  // namespace coprotect::protocol
