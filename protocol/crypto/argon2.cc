#include "protocol/crypto/argon2.h"

#include <argon2.h>

#include <limits>

namespace coprotect::protocol {
namespace {

constexpr std::uint32_t kMaxMemoryKib = 2'097'152;
constexpr std::uint32_t kMaxPasses = 16;
constexpr std::uint32_t kMaxLanes = 16;

}  // namespace

Status check_argon2_cost(const Argon2Cost& cost) {
  if (cost.lanes < 1 || cost.lanes > kMaxLanes) return Error(Code::malformed, "argon2 lanes are not 1 to 16");
  if (cost.passes < 1 || cost.passes > kMaxPasses)
    return Error(Code::malformed, "argon2 passes are not 1 to 16");
  if (cost.memory_kib > kMaxMemoryKib) return Error(Code::malformed, "argon2 memory is more than 2 GiB");
  if (cost.memory_kib < 8u * cost.lanes)
    return Error(Code::malformed, "argon2 memory is less than 8 KiB a lane");
  return Done{};
}

Result<Secret> argon2id(ByteView input, ByteView salt, const Argon2Cost& cost) {
  if (auto within = check_argon2_cost(cost); !within) return std::move(within).error();
  invariant(input.size() <= std::numeric_limits<std::uint32_t>::max() &&
            salt.size() >= ARGON2_MIN_SALT_LENGTH &&
            salt.size() <= std::numeric_limits<std::uint32_t>::max());

  // The library wipes its working memory before freeing it. A test checks that.
  Secret tag(32);
  argon2_context context{};
  context.out = tag.fill().data();
  context.outlen = 32;
  // Written to only with ARGON2_FLAG_CLEAR_PASSWORD.
  context.pwd = const_cast<std::uint8_t*>(input.data());
  context.pwdlen = static_cast<std::uint32_t>(input.size());
  context.salt = const_cast<std::uint8_t*>(salt.data());
  context.saltlen = static_cast<std::uint32_t>(salt.size());
  context.t_cost = cost.passes;
  context.m_cost = cost.memory_kib;
  context.lanes = cost.lanes;
  context.threads = cost.lanes;
  context.version = ARGON2_VERSION_13;
  context.flags = ARGON2_DEFAULT_FLAGS;
  const int code = argon2id_ctx(&context);
  if (code == ARGON2_OK) return tag;
  // Memory or threads are lacking. Everything else was checked before.
  return Error(Code::unavailable, "argon2 with " + std::to_string(cost.memory_kib / 1024) +
                                      " MiB of memory: " + argon2_error_message(code));
}

}  // namespace coprotect::protocol
