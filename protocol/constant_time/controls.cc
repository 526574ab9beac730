#include "protocol/constant_time/cases.h"
#include "protocol/constant_time/poison.h"

namespace coprotect::constant_time {
namespace {

volatile unsigned sink;

void branch() {
  const Secret secret = secret_bytes(1);
  if (secret.reveal()[0] == 7) sink = sink + 1;
}

void look_up() {
  const Secret secret = secret_bytes(1);
  static volatile unsigned table[256];
  sink = table[secret.reveal()[0]];
}

// What happens if a MAC is compared with the standard library.
void compare_early() {
  const Secret mac = secret_bytes(32);
  const ByteArray<32> expected{};
  sink = std::equal(expected.begin(), expected.end(), mac.reveal().begin()) ? 1 : 0;
}

// A power that is only for public exponents.
void power_public_with_a_secret() {
  const protocol::Group& group = protocol::group_of(protocol::SuiteId::ffdhe2048);
  const Secret exponent = secret_bytes(8);
  sink = group.power_public(group.generator().base(), exponent.reveal()).is_identity() ? 1 : 0;
}

// Poison propagates through the library's memory and arithmetic: its output is still poisoned.
void branch_on_a_result() {
  const protocol::Group& group = protocol::group_of(protocol::SuiteId::p256);
  const protocol::Scalar a = secret_scalar(group);
  const Secret encoded = group.power_secret(group.generator().base(), a * a).encode_secret();
  if (encoded.reveal()[32] == 7) sink = sink + 1;
}

}  // namespace

std::vector<Case> controls() {
  return {{"branch", branch},
          {"look-up", look_up},
          {"compare-early", compare_early},
          {"power-public-with-a-secret", power_public_with_a_secret},
          {"branch-on-a-result", branch_on_a_result}};
}

}  // namespace coprotect::constant_time
