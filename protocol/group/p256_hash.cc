#include "protocol/group/p256_hash.h"

#include "protocol/crypto/hash.h"
#include "protocol/group/bignum.h"

namespace coprotect::protocol {
namespace {

constexpr std::size_t kWide = 48;  // L of RFC 9380 §8.2

// The field of the curve y² = x³ + Ax + B.
class Field {
 public:
  explicit Field(const EC_GROUP* curve)
      : context_(new_context()), p_(new_bignum()), a_(new_bignum()), b_(new_bignum()) {
    ensure(EC_GROUP_get_curve(curve, p_.get(), a_.get(), b_.get(), context_.get()));
  }

  const BIGNUM* a() const { return a_.get(); }
  const BIGNUM* b() const { return b_.get(); }
  BN_CTX* context() { return context_.get(); }

  Bignum reduce(ByteView wide) {
    Bignum r = bignum(wide);
    ensure(BN_nnmod(r.get(), r.get(), p_.get(), context()));
    return r;
  }
  Bignum add(const BIGNUM* x, const BIGNUM* y) {
    Bignum r = new_bignum();
    ensure(BN_mod_add(r.get(), x, y, p_.get(), context()));
    return r;
  }
  Bignum multiply(const BIGNUM* x, const BIGNUM* y) {
    Bignum r = new_bignum();
    ensure(BN_mod_mul(r.get(), x, y, p_.get(), context()));
    return r;
  }
  Bignum negate(const BIGNUM* x) {
    Bignum r = new_bignum();
    ensure(BN_mod_sub(r.get(), p_.get(), x, p_.get(), context()));
    return r;
  }
  // 1/x, or 0 for 0: inv0 of RFC 9380 §4.
  Bignum inverse(const BIGNUM* x) {
    if (BN_is_zero(x)) return copy(x);
    Bignum r(BN_mod_inverse(nullptr, x, p_.get(), context()));
    invariant(r != nullptr);
    return r;
  }
  // g(x) = x³ + Ax + B.
  Bignum curve_at(const BIGNUM* x) {
    const Bignum x_squared = multiply(x, x);
    const Bignum factor = add(x_squared.get(), a());
    return add(multiply(factor.get(), x).get(), b());
  }
  // A square root if there is one, else null. p = 3 mod 4, so it is x^((p+1)/4) (RFC 9380 appendix I.1).
  Bignum square_root(const BIGNUM* x) {
    Bignum exponent = copy(p_.get());
    ensure(BN_add_word(exponent.get(), 1));
    ensure(BN_rshift(exponent.get(), exponent.get(), 2));
    Bignum root = new_bignum();
    ensure(BN_mod_exp(root.get(), x, exponent.get(), p_.get(), context()));
    return BN_cmp(multiply(root.get(), root.get()).get(), x) == 0 ? std::move(root) : nullptr;
  }

 private:
  BignumContext context_;
  Bignum p_;
  Bignum a_;
  Bignum b_;
};

// RFC 9380 §6.6.2, the simplified SWU map, with Z = −10 (§8.2).
EcPoint map_to_curve(const EC_GROUP* curve, Field& field, const BIGNUM* u) {
  Bignum ten = new_bignum();
  ensure(BN_set_word(ten.get(), 10));
  const Bignum z = field.negate(ten.get());
  const Bignum zu2 = field.multiply(z.get(), field.multiply(u, u).get());
  const Bignum tv1 = field.inverse(field.add(field.multiply(zu2.get(), zu2.get()).get(), zu2.get()).get());

  Bignum x;
  if (BN_is_zero(tv1.get())) {  // x1 = B / (Z·A)
    x = field.multiply(field.b(), field.inverse(field.multiply(z.get(), field.a()).get()).get());
  } else {  // x1 = (−B/A)·(1 + tv1)
    const Bignum quotient = field.multiply(field.negate(field.b()).get(), field.inverse(field.a()).get());
    x = field.multiply(quotient.get(), field.add(BN_value_one(), tv1.get()).get());
  }
  Bignum y = field.square_root(field.curve_at(x.get()).get());
  if (y == nullptr) {  // then g(x2) is a square, x2 = Z·u²·x1
    x = field.multiply(zu2.get(), x.get());
    y = field.square_root(field.curve_at(x.get()).get());
    invariant(y != nullptr);
  }
  if (BN_is_odd(u) != BN_is_odd(y.get())) y = field.negate(y.get());  // sgn0 of §4.1

  EcPoint point(EC_POINT_new(curve));
  invariant(point != nullptr);
  ensure(EC_POINT_set_affine_coordinates(curve, point.get(), x.get(), y.get(), field.context()));
  return point;
}

}  // namespace

EcPoint hash_to_p256(const EC_GROUP* curve, ByteView msg, ByteView dst) {
  Field field(curve);
  const Secret uniform = expand_message_xmd(msg, dst, 2 * kWide);
  const Bignum u0 = field.reduce(uniform.reveal().first(kWide));
  const Bignum u1 = field.reduce(uniform.reveal().subspan(kWide));
  EcPoint sum = map_to_curve(curve, field, u0.get());
  const EcPoint q1 = map_to_curve(curve, field, u1.get());
  ensure(EC_POINT_add(curve, sum.get(), sum.get(), q1.get(), field.context()));
  return sum;  // the cofactor is 1
}

}  // namespace coprotect::protocol
