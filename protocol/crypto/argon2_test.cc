#include "protocol/crypto/argon2.h"

#include <argon2.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "protocol/testdata/vectors.h"

namespace coprotect::protocol {
namespace {

Argon2Cost cost_of(const testdata::Block& v) {
  return {.memory_kib = static_cast<std::uint32_t>(v.number("Memory")),
          .passes = static_cast<std::uint32_t>(v.number("Passes")),
          .lanes = static_cast<std::uint8_t>(v.number("Lanes"))};
}

argon2_context context_of(const Argon2Cost& cost, Bytes& input, Bytes& salt, Bytes& tag) {
  argon2_context context{};
  context.out = tag.data();
  context.outlen = static_cast<std::uint32_t>(tag.size());
  context.pwd = input.data();
  context.pwdlen = static_cast<std::uint32_t>(input.size());
  context.salt = salt.data();
  context.saltlen = static_cast<std::uint32_t>(salt.size());
  context.t_cost = cost.passes;
  context.m_cost = cost.memory_kib;
  context.lanes = cost.lanes;
  context.threads = cost.lanes;
  context.version = ARGON2_VERSION_13;
  context.flags = ARGON2_DEFAULT_FLAGS;
  return context;
}

// The RFC's vector has a secret and associated data, which argon2id() does not accept. So this tests the
// library.
TEST(Argon2, LibraryReproducesRfc9106) {
  for (const auto& v : testdata::read_vectors("rfc9106.vec")) {
    Bytes input = v.hex("Input");
    Bytes salt = v.hex("Salt");
    Bytes secret = v.hex("Secret");
    Bytes associated = v.hex("AssociatedData");
    Bytes tag(32);
    argon2_context context = context_of(cost_of(v), input, salt, tag);
    context.secret = secret.data();
    context.secretlen = static_cast<std::uint32_t>(secret.size());
    context.ad = associated.data();
    context.adlen = static_cast<std::uint32_t>(associated.size());
    ASSERT_EQ(argon2id_ctx(&context), ARGON2_OK);
    EXPECT_EQ(to_hex(tag), v.text("Tag"));
  }
}

std::size_t freed_dirty = 0;
std::size_t freed_clean = 0;

TEST(Argon2, LibraryWipesItsMemory) {
  Bytes input(8, 1);
  Bytes salt(16, 2);
  Bytes tag(32);
  argon2_context context = context_of({.memory_kib = 64, .passes = 1, .lanes = 1}, input, salt, tag);
  context.allocate_cbk = [](std::uint8_t** memory, std::size_t size) -> int {
    *memory = static_cast<std::uint8_t*>(std::malloc(size));
    return *memory == nullptr ? ARGON2_MEMORY_ALLOCATION_ERROR : ARGON2_OK;
  };
  context.free_cbk = [](std::uint8_t* memory, std::size_t size) {
    const bool clean = std::all_of(memory, memory + size, [](std::uint8_t b) { return b == 0; });
    ++(clean ? freed_clean : freed_dirty);
    std::free(memory);
  };
  ASSERT_EQ(argon2id_ctx(&context), ARGON2_OK);
  EXPECT_EQ(freed_dirty, 0u);
  EXPECT_EQ(freed_clean, 1u);
}

TEST(Argon2, AgreesWithPython) {
  for (const auto& v : testdata::read_vectors("argon2id.vec")) {
    const auto tag = argon2id(v.hex("Input"), v.hex("Salt"), cost_of(v));
    ASSERT_TRUE(tag) << v.where();
    EXPECT_EQ(to_hex(tag->reveal()), v.text("Tag")) << v.where();
  }
}

TEST(Argon2, RefusesCostsOutsideTheLimits) {
  const ByteArray<16> salt{};
  for (const Argon2Cost cost :
       {Argon2Cost{2'097'153, 1, 1}, Argon2Cost{0xffffffff, 1, 1}, Argon2Cost{1024, 0, 1},
        Argon2Cost{1024, 17, 1}, Argon2Cost{1024, 0xffffffff, 1}, Argon2Cost{1024, 1, 0},
        Argon2Cost{1024, 1, 17}, Argon2Cost{0, 1, 1}, Argon2Cost{31, 1, 4}}) {
    EXPECT_FALSE(check_argon2_cost(cost));
    const auto tag = argon2id({}, salt, cost);
    ASSERT_FALSE(tag);
    EXPECT_EQ(tag.error().code(), Code::malformed);
  }
  for (const Argon2Cost& cost : {kCodeCost, Argon2Cost{2'097'152, 16, 16}, Argon2Cost{32, 1, 4}})
    EXPECT_TRUE(check_argon2_cost(cost));
}

}  // namespace
}  // namespace coprotect::protocol
