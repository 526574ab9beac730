#pragma once

#include <string_view>

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

// Reads a PIN from the value of a pin-source attribute (RFC 7512 §2.4), "file:" with an absolute path. One
// line end after the PIN is not part of it. Fails with Code::malformed for another kind of source,
// Code::unavailable if the file cannot be read or holds no PIN of 1 to 255 bytes.
Result<Secret> read_pin(std::string_view pin_source);

}  // namespace coprotect::hsm
