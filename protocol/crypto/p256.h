#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>

#include <optional>

#include "protocol/base/bytes.h"
#include "protocol/base/owned.h"
#include "protocol/base/random.h"
#include "protocol/base/secret.h"

// What ECDSA and HPKE keys share: P-256 points and scalars as bytes. protocol/group/ has the group for
// threshold arithmetic.
namespace coprotect::protocol::p256 {

constexpr std::size_t kScalarSize = 32;
using CompressedPoint = ByteArray<33>;
using UncompressedPoint = ByteArray<65>;

// n, the order of the group.
const BIGNUM* order();
// Whether the bytes are a 32-byte big-endian number in 1..n−1.
bool is_scalar(ByteView bytes);
// Uniform in 1..n−1, by rejection sampling.
Secret random_scalar(Random& random);

// The point for a canonical compressed or uncompressed encoding (SEC 1 §2.3.4). Nothing for other bytes, for
// a point off the curve and for infinity.
std::optional<UncompressedPoint> parse_point(ByteView encoded);
CompressedPoint compress(const UncompressedPoint& point);

// scalar·G, for a valid scalar.
UncompressedPoint base_multiple(ByteView scalar);
// The x-coordinate of scalar·point: the output of ECDH. Nothing if the point is invalid.
std::optional<Secret> shared_x(ByteView scalar, ByteView point);

}  // namespace coprotect::protocol::p256
