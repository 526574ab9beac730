#pragma once

#include <initializer_list>
#include <string_view>

#include "protocol/base/bytes.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

Digest sha256(ByteView data);

// H(tag; parts…) of SPEC.md §1: an injective, domain-separated SHA-256. Each part has at most 65 535 bytes.
Digest tagged_hash(std::string_view tag, std::initializer_list<ByteView> parts);

Digest hmac_sha256(ByteView key, ByteView data);

// RFC 5869 with SHA-256, extract and expand. An empty salt is 32 zero bytes. size ≤ 8 160.
Secret hkdf_sha256(ByteView salt, ByteView ikm, ByteView info, std::size_t size);
// HKDF-Extract alone.
Secret hkdf_extract_sha256(ByteView salt, ByteView ikm);
// HKDF-Expand alone, with SHA-256 and with SHA-512 (for C2SP chunked-encryption).
Secret hkdf_expand_sha256(ByteView prk, ByteView info, std::size_t size);
Secret hkdf_expand_sha512(ByteView prk, ByteView info, std::size_t size);

// RFC 9380 §5.3.1 expand_message_xmd with SHA-256. dst ≤ 255 bytes, size ≤ 8 160. The result is a Secret
// because nonces are derived with it.
Secret expand_message_xmd(ByteView msg, ByteView dst, std::size_t size);

}  // namespace coprotect::protocol
