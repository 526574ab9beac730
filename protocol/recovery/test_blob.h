#pragma once

#include "protocol/recovery/blob.h"

// A recovery blob for tests, with an Argon2id cost that takes almost no time.
namespace coprotect::protocol {

constexpr Argon2Cost kQuickCost{.memory_kib = 8, .passes = 1, .lanes = 1};

struct TestBlob {
  explicit TestBlob(SuiteId of_suite)
      : suite(of_suite),
        hpke(HpkePrivateKey::generate(system_random())),
        input(Secret::copy_of(bytes_of("0123456789ABCDEFGHJKMNPQRSTV"))) {}

  Result<std::pair<RecoveryBlob, RecoveryKey>> seal() const {
    return RecoveryBlob::seal_with(kQuickCost, {4, 5, 6}, {7, 8, 9}, input, key_id, suite, hpke);
  }

  SuiteId suite;
  KeyId key_id{1, 2, 3};
  HpkePrivateKey hpke;
  Secret input;
};

}  // namespace coprotect::protocol
