#pragma once

#include <openssl/ec.h>

#include "protocol/base/bytes.h"
#include "protocol/base/owned.h"

namespace coprotect::protocol {

using EcPoint = Owned<EC_POINT, EC_POINT_clear_free>;

// RFC 9380 P256_XMD:SHA-256_SSWU_RO_. Variable time: for public messages. With negligible probability, the
// result is the point at infinity.
EcPoint hash_to_p256(const EC_GROUP* curve, ByteView msg, ByteView dst);

}  // namespace coprotect::protocol
