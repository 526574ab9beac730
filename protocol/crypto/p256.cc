#include "protocol/crypto/p256.h"

#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <algorithm>

#include "protocol/base/declassify.h"
#include "protocol/base/result.h"
#include "protocol/crypto/machine_failure.h"

namespace coprotect::protocol::p256 {
namespace {

using Number = Owned<BIGNUM, BN_clear_free>;
using Point = Owned<EC_POINT, EC_POINT_clear_free>;

// The group's order: SP 800-186 §3.2.1.3.
constexpr ByteArray<kScalarSize> kOrder = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                           0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

const EC_GROUP* group() {
  static const EC_GROUP* const group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  invariant(group != nullptr);
  return group;
}

// A secret scalar. The running time of BN_bin2bn reveals how many leading zero bytes it skips. So a leading
// one is added, and removed afterwards.
Number number(ByteView bytes) {
  Secret marked(1 + bytes.size());
  marked.fill().front() = 1;
  std::copy(bytes.begin(), bytes.end(), marked.fill().begin() + 1);
  Number n(BN_bin2bn(marked.reveal().data(), static_cast<int>(marked.size()), nullptr));
  invariant(n != nullptr && BN_mask_bits(n.get(), static_cast<int>(8 * bytes.size())) == 1);
  BN_set_flags(n.get(), BN_FLG_CONSTTIME);
  return n;
}

Point new_point() {
  Point point(EC_POINT_new(group()));
  invariant(point != nullptr);
  return point;
}

Point decode(ByteView encoded) {
  // EC_POINT_oct2point also accepts the hybrid form and infinity. Both have other lengths or tags than these.
  const bool compressed = encoded.size() == 33 && (encoded[0] == 2 || encoded[0] == 3);
  const bool uncompressed = encoded.size() == 65 && encoded[0] == 4;
  if (!compressed && !uncompressed) return nullptr;
  Point point = new_point();
  ERR_clear_error();
  if (EC_POINT_oct2point(group(), point.get(), encoded.data(), encoded.size(), nullptr) == 1) return point;
  invariant(!machine_failed());  // otherwise a valid point could be reported as invalid
  return nullptr;
}

// Not EC_POINT_point2oct, whose time depends on leading zero bytes: a public key is secret until it is
// published.
UncompressedPoint encode(const Point& point) {
  const Number x(BN_new());
  const Number y(BN_new());
  invariant(x != nullptr && y != nullptr);
  invariant(EC_POINT_get_affine_coordinates(group(), point.get(), x.get(), y.get(), nullptr) == 1);
  UncompressedPoint bytes;
  bytes[0] = 4;
  invariant(BN_bn2binpad(x.get(), bytes.data() + 1, 32) == 32 &&
            BN_bn2binpad(y.get(), bytes.data() + 33, 32) == 32);
  return bytes;
}

}  // namespace

const BIGNUM* order() {
  return EC_GROUP_get0_order(group());
}

bool is_scalar(ByteView bytes) {
  if (bytes.size() != kScalarSize) return false;
  unsigned any = 0;
  unsigned borrow = 0;  // of bytes − order; 1 if and only if bytes < order
  for (std::size_t i = kScalarSize; i-- > 0;) {
    any |= bytes[i];
    borrow = (unsigned{bytes[i]} - kOrder[i] - borrow) >> 31;
  }
  // A scalar out of range is rejected or drawn again. One in range could be any of them.
  return (declassified(any != 0) & declassified(borrow)) != 0;
}

Secret random_scalar(Random& random) {
  Secret scalar(kScalarSize);
  do random.fill(scalar.fill());
  while (!is_scalar(scalar.reveal()));
  return scalar;
}

std::optional<UncompressedPoint> parse_point(ByteView encoded) {
  const Point point = decode(encoded);
  if (point == nullptr) return std::nullopt;
  return encode(point);
}

CompressedPoint compress(const UncompressedPoint& point) {
  CompressedPoint bytes;
  bytes[0] = point[64] % 2 == 0 ? 2 : 3;
  std::copy_n(point.begin() + 1, 32, bytes.begin() + 1);
  return bytes;
}

UncompressedPoint base_multiple(ByteView scalar) {
  invariant(is_scalar(scalar));
  const Point point = new_point();
  invariant(EC_POINT_mul(group(), point.get(), number(scalar).get(), nullptr, nullptr, nullptr) == 1);
  return encode(point);
}

std::optional<Secret> shared_x(ByteView scalar, ByteView encoded) {
  invariant(is_scalar(scalar));
  const Point point = decode(encoded);
  if (point == nullptr) return std::nullopt;
  const Point product = new_point();
  const Number x(BN_new());
  Secret bytes(32);
  invariant(x != nullptr);
  invariant(EC_POINT_mul(group(), product.get(), nullptr, point.get(), number(scalar).get(), nullptr) == 1);
  invariant(EC_POINT_get_affine_coordinates(group(), product.get(), x.get(), nullptr, nullptr) == 1);
  invariant(BN_bn2binpad(x.get(), bytes.fill().data(), 32) == 32);
  return bytes;
}

}  // namespace coprotect::protocol::p256
