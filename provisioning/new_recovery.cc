#include "provisioning/new_recovery.h"

#include "protocol/crypto/hash.h"
#include "protocol/recovery/code.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {

using protocol::RecoveryBlob;

NewRecovery::NewRecovery(const protocol::SigningKey& administrator, const Operator& person, Random& random)
    : administrator_(administrator),
      operator_(person),
      random_(random),
      hpke_(protocol::HpkePrivateKey::generate(random)) {}

Status NewRecovery::seal(const protocol::KeyId& key_id, protocol::SuiteId suite) {
  Secret code = protocol::generate_code(random_);
  auto input = protocol::read_code(code.reveal());
  if (!input) return std::move(input).error();
  input_ = std::move(*input);
  auto sealed = RecoveryBlob::seal(*input_, key_id, suite, hpke_, random_);
  if (!sealed) return std::move(sealed).error();
  sealed_.emplace(std::move(*sealed));
  code_.emplace(std::move(code));
  return Done{};
}

Status NewRecovery::show() {
  const Secret code = std::move(*code_);
  code_.reset();
  return operator_.show_code(code);
}

Status NewRecovery::reopen() {
  auto input = retyped_code();
  if (!input) return std::move(input).error();
  // Read from the bytes that will be stored. open() compares the key inside with the recovery key.
  auto blob = RecoveryBlob::parse(sealed_->first.encoded());
  if (!blob) return std::move(blob).error();
  auto opened = blob->open(*input);
  if (!opened) return std::move(opened).error();
  reopened_.emplace(*std::move(opened));
  return Done{};
}

protocol::Signature NewRecovery::prove_possession(const protocol::Sid& sid) const {
  return protocol::prove_recovery_key(sid, protocol::sha256(blob().encoded()), reopened_->hpke);
}

protocol::HpkePrivateKey NewRecovery::hpke_private_key() const {
  return *protocol::HpkePrivateKey::from_scalar(hpke_.scalar().reveal());
}

Result<Secret> NewRecovery::retyped_code() const {
  std::optional<Error> wrong;
  for (int tries = operator_.code_tries(); tries > 0; --tries) {
    if (wrong) operator_.warn(wrong->message());
    auto typed = operator_.retyped_code();
    if (!typed) return typed;
    auto input = protocol::read_code(typed->reveal());
    if (input && equal_in_constant_time(*input, *input_)) return input;
    wrong = input ? Error(Code::wrong_code, "this is another code than the one that was shown")
                  : std::move(input).error();
  }
  return with_hint(std::move(*wrong), "nothing was changed; run the same command again, it shows a new code");
}

}  // namespace coprotect::provisioning
