#include "client/provider/public_value.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <new>

namespace coprotect::provider {
namespace {

using Curve = Owned<EC_GROUP, EC_GROUP_free>;
using Point = Owned<EC_POINT, EC_POINT_free>;
using Scratch = Owned<BN_CTX, BN_CTX_free>;

Error not_a_member(const char* of) {
  return {Code::malformed, std::string("a public value is not one of ") + of};
}

template <typename T>
T made(T object) {
  if (object == nullptr) throw std::bad_alloc();
  return object;
}

}  // namespace

Number number_of(ByteView bytes) {
  return made(Number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr)));
}

Result<Bytes> parse_point(ByteView encoded) {
  // EC_POINT_oct2point also accepts the hybrid form and infinity. Both have other lengths or tags than these.
  const bool compressed = encoded.size() == 33 && (encoded[0] == 2 || encoded[0] == 3);
  const bool uncompressed = encoded.size() == 65 && encoded[0] == 4;
  const Curve curve = made(Curve(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)));
  const Point point = made(Point(EC_POINT_new(curve.get())));
  if (!(compressed || uncompressed) ||
      EC_POINT_oct2point(curve.get(), point.get(), encoded.data(), encoded.size(), nullptr) != 1)
    return not_a_member("P-256");
  Bytes bytes(65);
  if (EC_POINT_point2oct(curve.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, bytes.data(), bytes.size(),
                         nullptr) != bytes.size())
    return not_a_member("P-256");
  return bytes;
}

Result<Bytes> parse_residue(ByteView prime, ByteView value) {
  const Number p = number_of(prime);
  const Number y = number_of(value);
  const Number largest = made(Number(BN_dup(p.get())));
  const Scratch scratch = made(Scratch(BN_CTX_new()));
  const bool member = BN_is_odd(p.get()) && BN_sub_word(largest.get(), 1) == 1 && BN_num_bits(y.get()) > 1 &&
                      BN_cmp(y.get(), largest.get()) < 0 &&
                      BN_kronecker(y.get(), p.get(), scratch.get()) == 1;
  if (!member) return not_a_member("this Diffie-Hellman group");
  Bytes bytes(prime.size());
  if (BN_bn2binpad(y.get(), bytes.data(), static_cast<int>(bytes.size())) < 0)
    return not_a_member("this Diffie-Hellman group");
  return bytes;
}

}  // namespace coprotect::provider
