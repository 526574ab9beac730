#include "protocol/group/modp.h"

#include <gmp.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <mutex>
#include <string>

#include "protocol/base/declassify.h"
#include "protocol/crypto/hash.h"
#include "protocol/group/montgomery.h"
#include "protocol/group/secret_comb.h"

namespace coprotect::protocol {
namespace {

// The prime of a group that OpenSSL knows by its RFC 7919 name, which is also the suite's name.
Bignum prime_of(SuiteId suite) {
  std::string name(suite_name(suite));
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name.data(), 0),
                             OSSL_PARAM_construct_end()};
  const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr));
  invariant(context != nullptr);
  ensure(EVP_PKEY_fromdata_init(context.get()));
  Owned<EVP_PKEY, EVP_PKEY_free> key;
  ensure(EVP_PKEY_fromdata(context.get(), out(key), EVP_PKEY_KEY_PARAMETERS, parameters));
  Bignum p;
  ensure(EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_FFC_P, out(p)));
  return p;
}

// q = (p−1)/2, big-endian.
Bytes order_of(const BIGNUM* p) {
  Bignum q = new_bignum();
  ensure(BN_rshift1(q.get(), p));
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(q.get())));
  write_bytes(q.get(), bytes);
  return bytes;
}

// An integer in 1..p−1.
struct NumberRep final : ElementRep {
  explicit NumberRep(Bignum n) : number(std::move(n)) {}
  std::unique_ptr<ElementRep> clone() const override {
    return std::make_unique<NumberRep>(copy(number.get()));
  }
  Bignum number;
};

const BIGNUM* number_of(const Element& element) {
  return static_cast<const NumberRep&>(element.rep()).number.get();
}

Element make_element(const Group& group, Bignum number) {
  return {group, std::make_unique<NumberRep>(std::move(number))};
}

class ModpFixedBase final : public FixedBase {
 public:
  ModpFixedBase(const Modulus& modulus, std::size_t exponent_bits, Element base)
      : modulus_(modulus), exponent_bits_(exponent_bits), base_(std::move(base)) {}

  const Element& base() const override { return base_; }
  Element power_times_inverse_power(ByteView f, const Element& x, ByteView e) const override {
    return product(f, modulus_.inverse(number_of(x)).get(), e);
  }
  Element power_times_power(ByteView f, const Element& x, ByteView e) const override {
    return product(f, number_of(x), e);
  }

 private:
  Element product(ByteView f, const BIGNUM* x, ByteView e) const {
    // The table costs about one power of the base, so it is made at the first use.
    std::call_once(once_, [this] { comb_.emplace(modulus_, number_of(base_), exponent_bits_); });
    const Power power = {.base = x, .exponent = e};
    return make_element(base_.group(), product_of_powers(modulus_, CombPower{.comb = &*comb_, .exponent = f},
                                                         std::span(&power, 1)));
  }

  const Modulus& modulus_;
  std::size_t exponent_bits_;
  Element base_;
  mutable std::once_flag once_;
  mutable std::optional<Comb> comb_;
};

class ModpGroup final : public Group {
 public:
  explicit ModpGroup(SuiteId suite)
      : suite_(suite), modulus_(prime_of(suite)), field_(order_of(modulus_.value())), p_(field_.size()) {
    write_bytes(modulus_.value(), p_);
    mpz_init(prime_);
    mpz_import(prime_, p_.size(), 1, 1, 0, 0, p_.data());
    Bignum two = new_bignum();
    ensure(BN_set_word(two.get(), 2));
    generator_ = fixed_base(element(std::move(two)));
  }
  ~ModpGroup() override { mpz_clear(prime_); }

  SuiteId suite() const override { return suite_; }
  std::size_t element_size() const override { return field_.size(); }
  const ScalarField& scalars() const override { return field_; }
  std::size_t wide_size() const override { return field_.size() + 16; }

  Result<Element> parse(ByteView encoded) const override {
    if (encoded.size() != element_size()) return Error(Code::malformed, "element: wrong length");
    Bignum x = bignum(encoded);
    if (!in_range(x.get())) return Error(Code::malformed, "element: not in the range of the group");
    mpz_t n;
    mpz_init(n);
    mpz_import(n, encoded.size(), 1, 1, 0, 0, encoded.data());
    const bool square = mpz_jacobi(n, prime_) == 1;  // twenty times faster than BN_kronecker
    mpz_clear(n);
    if (!square) return Error(Code::malformed, "element: not a member of the group");
    return element(std::move(x));
  }
  Element identity() const override { return element(copy(BN_value_one())); }
  const FixedBase& generator() const override { return *generator_; }
  std::unique_ptr<FixedBase> fixed_base(const Element& base) const override {
    return std::make_unique<ModpFixedBase>(modulus_, 8 * field_.size(), base);
  }

  Element multiply(const Element& a, const Element& b) const override {
    return element(modulus_.multiply(number_of(a), number_of(b)));
  }
  Element invert(const Element& a) const override { return element(modulus_.inverse(number_of(a))); }
  Element multiply_secret(const Element& a, const Element& b) const override { return multiply(a, b); }
  // The inversion takes variable time, but its input is only a uniform number: a/b = a·r/(b·r).
  Element divide_secret(const Element& a, const Element& b) const override {
    const Element r = random_message(system_random());
    Bytes blinded(element_size());
    write_bytes(modulus_.multiply(number_of(b), number_of(r)).get(), blinded);
    declassify(blinded);  // independent of b
    const Bignum inverse = modulus_.inverse(bignum(blinded).get());
    return element(modulus_.multiply(modulus_.multiply(number_of(a), number_of(r)).get(), inverse.get()));
  }

  Element power_secret(const Element& base, const Scalar& x) const override {
    return element(power(number_of(base), x));
  }
  Element generator_power_secret(const Scalar& x) const override {
    // The tables cost about one power, so they are made at the first use.
    std::call_once(comb_once_, [this] {
      Bytes base(field_.size());
      Bytes prime(field_.size());
      write_bytes(number_of(generator_->base()), base);
      write_bytes(modulus_.value(), prime);
      comb_.emplace(prime, base);
    });
    return element(secret_bignum(comb_->power(x.bytes().reveal()).reveal()));
  }
  Element power_public(const Element& base, ByteView e) const override {
    const Power power = {.base = number_of(base), .exponent = e};
    return element(product_of_powers(modulus_, std::nullopt, std::span(&power, 1)));
  }
  Element product_of_powers_public(std::span<const Element> bases,
                                   std::span<const Bytes> exponents) const override {
    invariant(bases.size() == exponents.size());
    std::vector<Power> powers;
    for (std::size_t i = 0; i < bases.size(); ++i)
      powers.push_back({.base = number_of(bases[i]), .exponent = exponents[i]});
    return element(product_of_powers(modulus_, std::nullopt, powers));
  }

  Result<Element> hash_to_element(ByteView msg, std::string_view dst) const override {
    Bignum y = bignum(expand_message_xmd(msg, bytes_of(dst), wide_size()).reveal());
    const BignumContext context = new_context();
    ensure(BN_nnmod(y.get(), y.get(), modulus_.value(), context.get()));
    Bignum x = modulus_.multiply(y.get(), y.get());
    if (!in_range(x.get())) return Error(Code::malformed, "message hashes to 0 or 1");
    return element(std::move(x));
  }
  Element random_message(Random& random) const override {
    // The prime begins with 64 one bits, so a uniform string of its length is outside 2..p−2 with probability
    // 2^−64. That means a broken generator.
    Secret bytes(element_size());
    random.fill(bytes.fill());
    invariant(in_range(bytes.reveal()));
    const Bignum y = secret_bignum(bytes.reveal());
    return element(modulus_.multiply(y.get(), y.get()));
  }

 protected:
  void encode(const Element& e, std::span<std::uint8_t> out) const override {
    invariant(!e.is_identity());
    write_bytes(number_of(e), out);
  }
  bool is_identity(const Element& e) const override { return BN_is_one(number_of(e)) == 1; }

 private:
  Element element(Bignum number) const { return make_element(*this, std::move(number)); }

  // 1 < x < p−1, in constant time except for the verdict: "no" ends the process.
  bool in_range(ByteView x) const {
    unsigned above_one = 0;
    unsigned borrow = 0;  // of x − (p−1); p is odd
    for (std::size_t i = x.size(); i-- > 0;) {
      const bool last = i + 1 == x.size();
      above_one |= unsigned{x[i]} >> static_cast<unsigned>(last);
      borrow = (unsigned{x[i]} - (p_[i] - unsigned{last}) - borrow) >> 31;
    }
    return declassified(static_cast<unsigned>(above_one != 0) & borrow) != 0;
  }
  bool in_range(const BIGNUM* x) const {
    Bignum last = copy(modulus_.value());
    ensure(BN_sub_word(last.get(), 1));
    return BN_cmp(x, BN_value_one()) > 0 && BN_cmp(x, last.get()) < 0;
  }

  // The time of BN_mod_exp_mont_consttime depends on the exponent's length in words. q + x always has the
  // length of p, and base^q = 1.
  Bignum power(const BIGNUM* base, const Scalar& x) const {
    Secret exponent(field_.size());
    unsigned carry = 0;
    for (std::size_t i = field_.size(); i-- > 0;) {
      carry += unsigned{field_.modulus()[i]} + unsigned{x.bytes().reveal()[i]};
      exponent.fill()[i] = static_cast<std::uint8_t>(carry);
      carry >>= 8;
    }
    Bignum result = new_bignum();
    const BignumContext context = new_context();
    ensure(BN_mod_exp_mont_consttime(result.get(), base, secret_bignum(exponent.reveal()).get(),
                                     modulus_.value(), context.get(), modulus_.montgomery()));
    return result;
  }

  SuiteId suite_;
  Modulus modulus_;
  ScalarField field_;
  Bytes p_;
  mpz_t prime_;
  std::unique_ptr<FixedBase> generator_;
  mutable std::once_flag comb_once_;
  mutable std::optional<SecretComb> comb_;
};

}  // namespace

std::unique_ptr<Group> make_modp_group(SuiteId suite) {
  invariant(suite != SuiteId::p256);
  return std::make_unique<ModpGroup>(suite);
}

}  // namespace coprotect::protocol
