#pragma once

#include "protocol/recovery/blob.h"

// A recovery blob for tests, under an Argon2id cost that takes no time.
namespace coprotect::protocol {

constexpr Argon2Cost kQuickCost{.memory_kib = 8, .passes = 1, .lanes = 1};

struct TestBlob {
  explicit TestBlob(SuiteId suite)
      : group(group_of(suite)),
        share(Scalar::random(group.scalars(), system_random())),
        hpke(HpkePrivateKey::generate(system_random())),
        binding{.key_id = KeyId{1, 2, 3},
                .index = 3,
                .epoch = 0,
                .public_share = group.generator_power_secret(share)},
        input(Secret::copy_of(bytes_of("0123456789ABCDEFGHJKMNPQRSTV"))) {}

  Result<std::pair<RecoveryBlob, RecoveryKey>> seal(RecoveryKind kind = RecoveryKind::code) const {
    return RecoveryBlob::seal_with(kind, kQuickCost, {4, 5, 6}, {7, 8, 9}, input, binding, share, hpke);
  }

  const Group& group;
  Scalar share;
  HpkePrivateKey hpke;
  RecoveryBlob::Binding binding;
  Secret input;
};

}  // namespace coprotect::protocol
