#include "protocol/constant_time/cases.h"
#include "protocol/constant_time/poison.h"
#include "protocol/recovery/code.h"
#include "protocol/recovery/test_blob.h"

namespace coprotect::constant_time {
namespace {

using namespace protocol;

// A code from its generation to Argon2id's input.
void code() {
  const Secret written = generate_code(poisoned_random());
  invariant(bool(read_code(written.reveal())));
}

// The second half of Argon2id reads memory at addresses that depend on the password: RFC 9106 §3.4.1.3. Its
// reports are suppressed (valgrind.supp), and its output stays poisoned.
void blob() {
  const TestBlob made(SuiteId::p256);
  const Secret input = secret_bytes(28);
  const auto sealed =
      RecoveryBlob::seal_with(kQuickCost, {1}, {2}, input, made.key_id, made.suite, made.hpke);
  Bytes encoded = sealed->first.encoded();
  declassify(encoded);
  invariant(bool(RecoveryBlob::parse(encoded)->open(input)));
}

}  // namespace

std::vector<Case> recovery_cases() {
  return {{"recovery-code", code}, {"recovery-blob", blob}};
}

}  // namespace coprotect::constant_time
