#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

enum class X963Hash { sha1, sha256, sha384, sha512 };

// The key derivation function of ANSI X9.63 (SEC 1 §3.6.1), which CMS (RFC 5753) and PKCS#11 apply to a raw
// Diffie–Hellman secret: the concatenated hashes of z ‖ counter ‖ shared_info. 1 ≤ size ≤ 65 535.
Secret x963_kdf(X963Hash hash, const Secret& z, ByteView shared_info, std::size_t size);

}  // namespace coprotect::protocol
