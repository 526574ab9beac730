#pragma once

#include <optional>

#include "protocol/base/secret.h"

namespace coprotect::protocol {

// RFC 4648 §5 without padding, in locked memory.
Secret base64url_encode(ByteView bytes);
// Nothing unless the text is exactly what base64url_encode() returns for some bytes.
std::optional<Secret> base64url_decode(ByteView text);

}  // namespace coprotect::protocol
