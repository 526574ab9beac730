#include "protocol/group/p256.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <utility>

#include "protocol/group/bignum.h"
#include "protocol/group/p256_hash.h"

// OpenSSL 3.0 deprecates EC_GROUP_precompute_mult and EC_POINTs_mul without a replacement. The first makes
// tables with which a fixed base is as fast as the generator. The second shares the doublings of a product of
// powers.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace coprotect::protocol {
namespace {

constexpr std::size_t kElementSize = 33;
constexpr std::size_t kWideSize = 48;
// Making a table takes as long as 600 uses of it save. A program that checks one file should not make it.
constexpr int kUsesBeforeTable = 64;

using EcGroup = Owned<EC_GROUP, EC_GROUP_free>;

EcPoint new_point(const EC_GROUP* curve) {
  EcPoint point(EC_POINT_new(curve));
  invariant(point != nullptr);
  return point;
}

using Encoding = ByteArray<kElementSize>;

struct PointRep final : ElementRep {
  PointRep(const EC_GROUP* c, EcPoint p) : curve(c), point(std::move(p)) {}
  std::unique_ptr<ElementRep> clone() const override {
    EcPoint duplicate(EC_POINT_dup(point.get(), curve));
    invariant(duplicate != nullptr);
    auto copy = std::make_unique<PointRep>(curve, std::move(duplicate));
    copy->encoding = encoding;
    return copy;
  }

  const EC_GROUP* curve;
  EcPoint point;
  // Kept for parsed points and fixed bases, which are hashed repeatedly: making it takes an inversion, a
  // tenth of a multiplication. Not kept for others.
  std::optional<Encoding> encoding;
};

const EC_POINT* point_of(const Element& element) {
  return static_cast<const PointRep&>(element.rep()).point.get();
}

EcGroup new_curve() {
  EcGroup curve(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  invariant(curve != nullptr);
  return curve;
}

Bytes order_of(const EC_GROUP* curve) {
  Bytes order(32);
  write_bytes(EC_GROUP_get0_order(curve), order);
  return order;
}

Element make_element(const Group& group, const EC_GROUP* curve, EcPoint point) {
  return {group, std::make_unique<PointRep>(curve, std::move(point))};
}

// A public element with a known encoding.
Element make_element(const Group& group, const EC_GROUP* curve, const EC_POINT* point, ByteView encoding) {
  EcPoint duplicate(EC_POINT_dup(point, curve));
  invariant(duplicate != nullptr);
  auto rep = std::make_unique<PointRep>(curve, std::move(duplicate));
  std::copy_n(encoding.begin(), kElementSize, rep->encoding.emplace().begin());
  return {group, std::move(rep)};
}

// base^f · x^e. `table` is a group whose generator is the base.
EcPoint double_power(const EC_GROUP* table, const BIGNUM* f, const EC_POINT* x, const BIGNUM* e) {
  EcPoint result = new_point(table);
  const BignumContext context = new_context();
  ensure(EC_POINT_mul(table, result.get(), f, x, e, context.get()));
  return result;
}

class P256FixedBase final : public FixedBase {
 public:
  // `curve` is the ordinary curve. Its own generator needs no other table.
  P256FixedBase(const EC_GROUP* curve, Element base)
      : curve_(curve), base_(std::move(base)), plain_(EC_GROUP_dup(curve)), fast_(nullptr) {
    invariant(plain_ != nullptr);
    if (EC_POINT_cmp(curve, EC_GROUP_get0_generator(curve), point_of(base_), nullptr) == 0) {
      fast_ = curve;
    } else {
      set_generator(plain_.get());
    }
  }

  const Element& base() const override { return base_; }
  Element power_times_inverse_power(ByteView f, const Element& x, ByteView e) const override {
    const Bignum exponent = reduced(e);
    if (!BN_is_zero(exponent.get()))
      ensure(BN_sub(exponent.get(), EC_GROUP_get0_order(curve_), exponent.get()));
    return make_element(base_.group(), curve_,
                        double_power(table(), bignum(f).get(), point_of(x), exponent.get()));
  }
  Element power_times_power(ByteView f, const Element& x, ByteView e) const override {
    return make_element(base_.group(), curve_,
                        double_power(table(), bignum(f).get(), point_of(x), reduced(e).get()));
  }

 private:
  void set_generator(EC_GROUP* group) const {
    ensure(EC_GROUP_set_generator(group, point_of(base_), EC_GROUP_get0_order(curve_),
                                  EC_GROUP_get0_cofactor(curve_)));
  }
  Bignum reduced(ByteView e) const {
    Bignum n = bignum(e);
    const BignumContext context = new_context();
    ensure(BN_nnmod(n.get(), n.get(), EC_GROUP_get0_order(curve_), context.get()));
    return n;
  }
  const EC_GROUP* table() const {
    if (const EC_GROUP* const fast = fast_.load(std::memory_order_acquire)) return fast;
    if (uses_.fetch_add(1) != kUsesBeforeTable) return plain_.get();
    // Exactly one caller comes here. The others continue without the table until it is published.
    table_.reset(EC_GROUP_dup(plain_.get()));
    invariant(table_ != nullptr);
    const BignumContext context = new_context();
    ensure(EC_GROUP_precompute_mult(table_.get(), context.get()));
    fast_.store(table_.get(), std::memory_order_release);
    return table_.get();
  }

  const EC_GROUP* curve_;
  Element base_;
  EcGroup plain_;
  mutable EcGroup table_;
  mutable std::atomic<const EC_GROUP*> fast_;
  mutable std::atomic<int> uses_ = 0;
};

class P256Group final : public Group {
 public:
  P256Group() : curve_(new_curve()), field_(order_of(curve_.get())) {
    EcPoint generator(EC_POINT_dup(EC_GROUP_get0_generator(curve_.get()), curve_.get()));
    invariant(generator != nullptr);
    generator_ = std::make_unique<P256FixedBase>(curve_.get(), element(std::move(generator)));
  }

  SuiteId suite() const override { return SuiteId::p256; }
  std::size_t element_size() const override { return kElementSize; }
  const ScalarField& scalars() const override { return field_; }
  std::size_t wide_size() const override { return kWideSize; }

  Result<Element> parse(ByteView encoded) const override {
    // OpenSSL would also accept the uncompressed and hybrid forms, and one byte for infinity.
    if (encoded.size() != kElementSize) return Error(Code::malformed, "element: wrong length");
    EcPoint point = new_point(curve_.get());
    const BignumContext context = new_context();
    ERR_set_mark();
    const bool valid =
        EC_POINT_oct2point(curve_.get(), point.get(), encoded.data(), encoded.size(), context.get()) == 1;
    ERR_pop_to_mark();
    if (!valid) return Error(Code::malformed, "element: not a compressed point of the curve");
    return make_element(*this, curve_.get(), point.get(), encoded);
  }
  Element identity() const override { return element(new_point(curve_.get())); }
  const FixedBase& generator() const override { return *generator_; }
  std::unique_ptr<FixedBase> fixed_base(const Element& base) const override {
    return std::make_unique<P256FixedBase>(curve_.get(),
                                           make_element(*this, curve_.get(), point_of(base), base.encode()));
  }

  Element multiply(const Element& a, const Element& b) const override {
    EcPoint sum = new_point(curve_.get());
    const BignumContext context = new_context();
    ensure(EC_POINT_add(curve_.get(), sum.get(), point_of(a), point_of(b), context.get()));
    return element(std::move(sum));
  }
  Element invert(const Element& a) const override {
    EcPoint inverse(EC_POINT_dup(point_of(a), curve_.get()));
    const BignumContext context = new_context();
    ensure(EC_POINT_invert(curve_.get(), inverse.get(), context.get()));
    return element(std::move(inverse));
  }

  // EC_POINT_add takes variable time. EC_POINTs_mul takes constant time in the points.
  Element multiply_secret(const Element& a, const Element& b) const override {
    return product(a, BN_value_one(), b, BN_value_one());
  }
  Element divide_secret(const Element& a, const Element& b) const override {
    Bignum minus_one = copy(EC_GROUP_get0_order(curve_.get()));
    ensure(BN_sub_word(minus_one.get(), 1));
    return product(a, BN_value_one(), b, minus_one.get());
  }

  // With one scalar EC_POINT_mul takes constant time, for the generator and for other points.
  Element power_secret(const Element& base, const Scalar& x) const override {
    return power(point_of(base), secret_bignum(x.bytes().reveal()));
  }
  Element generator_power_secret(const Scalar& x) const override {
    EcPoint result = new_point(curve_.get());
    const BignumContext context = new_context();
    ensure(EC_POINT_mul(curve_.get(), result.get(), secret_bignum(x.bytes().reveal()).get(), nullptr, nullptr,
                        context.get()));
    return element(std::move(result));
  }
  Element power_public(const Element& base, ByteView e) const override {
    return power(point_of(base), bignum(e));
  }

  Element product_of_powers_public(std::span<const Element> bases,
                                   std::span<const Bytes> exponents) const override {
    invariant(bases.size() == exponents.size());
    std::vector<Bignum> numbers;
    std::vector<const BIGNUM*> scalars;
    std::vector<const EC_POINT*> points;
    for (std::size_t i = 0; i < bases.size(); ++i) {
      numbers.push_back(bignum(exponents[i]));
      scalars.push_back(numbers.back().get());
      points.push_back(point_of(bases[i]));
    }
    EcPoint result = new_point(curve_.get());
    const BignumContext context = new_context();
    ensure(EC_POINTs_mul(curve_.get(), result.get(), nullptr, points.size(), points.data(), scalars.data(),
                         context.get()));
    return element(std::move(result));
  }

  Result<Element> hash_to_element(ByteView msg, std::string_view dst) const override {
    Element result = element(hash_to_p256(curve_.get(), msg, bytes_of(dst)));
    if (result.is_identity()) return Error(Code::malformed, "message hashes to the identity");
    return result;
  }
  Element random_message(Random& random) const override {
    return generator_power_secret(Scalar::random(field_, random));
  }

 protected:
  void encode(const Element& e, std::span<std::uint8_t> out) const override {
    if (const auto& known = static_cast<const PointRep&>(e.rep()).encoding) {
      std::copy(known->begin(), known->end(), out.begin());
      return;
    }
    // Not EC_POINT_point2oct, whose time depends on leading zero bytes and on y's last bit.
    const BignumContext context = new_context();
    const Bignum x = new_bignum();
    const Bignum y = new_bignum();
    ensure(EC_POINT_get_affine_coordinates(curve_.get(), point_of(e), x.get(), y.get(), context.get()));
    Secret y_bytes(kElementSize - 1);
    write_bytes(x.get(), out.subspan(1));
    write_bytes(y.get(), y_bytes.fill());
    out[0] = static_cast<std::uint8_t>(2 + (y_bytes.reveal().back() & 1));
  }
  bool is_identity(const Element& e) const override {
    return EC_POINT_is_at_infinity(curve_.get(), point_of(e)) == 1;
  }

 private:
  Element element(EcPoint point) const { return make_element(*this, curve_.get(), std::move(point)); }
  Element power(const EC_POINT* base, const Bignum& e) const {
    EcPoint result = new_point(curve_.get());
    const BignumContext context = new_context();
    ensure(EC_POINT_mul(curve_.get(), result.get(), nullptr, base, e.get(), context.get()));
    return element(std::move(result));
  }

  // a^x·b^y for public x and y.
  Element product(const Element& a, const BIGNUM* x, const Element& b, const BIGNUM* y) const {
    const std::array<const EC_POINT*, 2> points = {point_of(a), point_of(b)};
    std::array<const BIGNUM*, 2> exponents = {x, y};
    EcPoint result = new_point(curve_.get());
    const BignumContext context = new_context();
    ensure(EC_POINTs_mul(curve_.get(), result.get(), nullptr, points.size(),
                         const_cast<const EC_POINT**>(points.data()), exponents.data(), context.get()));
    return element(std::move(result));
  }

  EcGroup curve_;
  ScalarField field_;
  std::unique_ptr<FixedBase> generator_;
};

}  // namespace

std::unique_ptr<Group> make_p256_group() {
  return std::make_unique<P256Group>();
}

}  // namespace coprotect::protocol
