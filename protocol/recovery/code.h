#pragma once

#include "protocol/base/random.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// A recovery code as people write it: AAAAC-BBBBC-… , 7 groups (SPEC.md §8.1). 41 bytes.
Secret generate_code(Random& random);

// The 28 data symbols of a code that somebody typed, in upper case: the input of Argon2id. Code::wrong_code
// names the first group whose check symbol is wrong ("group 3 \"…\" is mistyped" without the symbols
// themselves) or says that groups are missing; costs microseconds, so that it comes before any Argon2 run.
Result<Secret> read_code(ByteView typed);

}  // namespace coprotect::protocol
