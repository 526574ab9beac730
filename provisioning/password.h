#pragma once

#include "protocol/base/result.h"
#include "protocol/base/secret.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// The least that a recovery password must be worth. Whoever holds one share and the blob guesses offline,
// slowed down only by Argon2id.
constexpr double kPasswordBits = 60.0;

// What zxcvbn thinks a password is worth, in bits (log2 of the guesses). Words like the tenant's name count
// as known.
Result<double> password_bits(const Secret& password, std::string_view tenant);

// Code::denied with what makes it weak, unless the password is worth kPasswordBits.
Status check_password(const Secret& password, std::string_view tenant);

// A password for recovery, asked of the operator and checked, if one is wanted; nothing if a code is to be
// generated.
Result<std::optional<Secret>> ask_recovery_password(bool wanted, std::string_view tenant,
                                                    const Operator& person);

}  // namespace coprotect::provisioning
