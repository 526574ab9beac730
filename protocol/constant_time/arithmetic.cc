#include "protocol/constant_time/cases.h"
#include "protocol/constant_time/poison.h"

namespace coprotect::constant_time {
namespace {

using namespace protocol;

template <SuiteId suite>
void scalars() {
  const Group& group = group_of(suite);
  const Scalar a = secret_scalar(group);
  const Scalar b = secret_scalar(group);
  const Scalar c = (a + b) * (a - b) * a.inverse();
  Secret encoded = c.bytes().clone();
  // Whether a received scalar is in range becomes public.
  const Scalar again = *Scalar::parse(group.scalars(), encoded.reveal());
  (void)(again == c);
  (void)again.is_zero();
  (void)group.hash_to_scalar(encoded.reveal(), "CPV1-NONCE");
}

// A base from another party, and exponents of both extremes: the time must not reveal their length.
template <SuiteId suite>
void powers() {
  const Group& group = group_of(suite);
  const Element base = published(group.random_message(system_random()));
  for (const std::uint64_t small : {0u, 1u, 2u}) {
    const Scalar x = small == 0 ? secret_scalar(group) : Scalar::from_u64(group.scalars(), small);
    poison(x.bytes().reveal());
    (void)group.power_secret(base, x).encode_secret();
    (void)group.generator_power_secret(x).encode();
  }
}

// Secret elements: m and k_i.
template <SuiteId suite>
void elements() {
  const Group& group = group_of(suite);
  const Element m = group.random_message(poisoned_random());
  const Element product =
      group.divide_secret(group.multiply_secret(m, m), group.generator_power_secret(secret_scalar(group)));
  (void)product.encode_secret();
  (void)(product == m);
}

}  // namespace

std::vector<Case> arithmetic_cases() {
  return {{"scalars/p256", scalars<SuiteId::p256>},
          {"scalars/ffdhe2048", scalars<SuiteId::ffdhe2048>},
          {"powers/p256", powers<SuiteId::p256>},
          {"powers/ffdhe2048", powers<SuiteId::ffdhe2048>},
          {"powers/ffdhe3072", powers<SuiteId::ffdhe3072>},
          {"elements/p256", elements<SuiteId::p256>},
          {"elements/ffdhe2048", elements<SuiteId::ffdhe2048>}};
}

}  // namespace coprotect::constant_time
