#include "protocol/crypto/p256.h"

#include <openssl/obj_mac.h>

#include <algorithm>

#include "protocol/base/result.h"

namespace coprotect::protocol::p256 {
namespace {

using Number = Owned<BIGNUM, BN_clear_free>;
using Point = Owned<EC_POINT, EC_POINT_clear_free>;

const EC_GROUP* group() {
  static const EC_GROUP* const group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  invariant(group != nullptr);
  return group;
}

Number number(ByteView bytes) {
  Number n(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  invariant(n != nullptr);
  BN_set_flags(n.get(), BN_FLG_CONSTTIME);
  return n;
}

Point new_point() {
  Point point(EC_POINT_new(group()));
  invariant(point != nullptr);
  return point;
}

Point decode(ByteView encoded) {
  // EC_POINT_oct2point also takes the hybrid form and infinity, both of other lengths or tags than these.
  const bool compressed = encoded.size() == 33 && (encoded[0] == 2 || encoded[0] == 3);
  const bool uncompressed = encoded.size() == 65 && encoded[0] == 4;
  if (!compressed && !uncompressed) return nullptr;
  Point point = new_point();
  if (EC_POINT_oct2point(group(), point.get(), encoded.data(), encoded.size(), nullptr) != 1) return nullptr;
  return point;
}

UncompressedPoint encode(const Point& point) {
  UncompressedPoint bytes;
  invariant(EC_POINT_point2oct(group(), point.get(), POINT_CONVERSION_UNCOMPRESSED, bytes.data(),
                               bytes.size(), nullptr) == bytes.size());
  return bytes;
}

}  // namespace

bool is_scalar(ByteView bytes) {
  if (bytes.size() != kScalarSize) return false;
  const Number n = number(bytes);
  return !BN_is_zero(n.get()) && BN_cmp(n.get(), EC_GROUP_get0_order(group())) < 0;
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
