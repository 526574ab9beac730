#pragma once

#include "protocol/base/random.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// A recovery code as people write it: AAAAC-BBBBC-…, 7 groups (SPEC.md §8.1). 41 bytes.
Secret generate_code(Random& random);

// The 28 data symbols of a typed code, in upper case: the input of Argon2id. Code::wrong_code names the first
// group with a wrong check symbol ("group 3 \"…\" is mistyped", without the symbols themselves) or says that
// groups are missing. It takes microseconds, so it runs before Argon2.
Result<Secret> read_code(ByteView typed);

}  // namespace coprotect::protocol
