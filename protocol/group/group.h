#pragma once

#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/base/arena.h"
#include "protocol/base/bytes.h"
#include "protocol/base/random.h"
#include "protocol/base/result.h"
#include "protocol/group/scalar.h"
#include "protocol/group/suite.h"

namespace coprotect::protocol {

class Group;

// A group's internal form of an element. Only the group's own source file knows more. It is in locked memory
// because many elements are secrets (m, the k_i, derived values) and no type tells them from public ones.
struct ElementRep {
  virtual ~ElementRep() = default;
  static void* operator new(std::size_t size) {
    void* const memory = locked_memory::allocate(size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
  }
  static void operator delete(void* memory) noexcept { locked_memory::release(memory); }
  virtual std::unique_ptr<ElementRep> clone() const = 0;
};

// A member of a prime-order group. Every Element was parsed, or computed from parsed ones; a decoder never
// returns the identity. Its numbers are in OpenSSL's memory, which is locked and wiped in programs that
// install() the arena. The rest of the object is in the arena in every program.
class Element {
 public:
  Element(const Group& group, std::unique_ptr<ElementRep> rep) : group_(&group), rep_(std::move(rep)) {}
  Element(const Element& other) : group_(other.group_), rep_(other.rep_->clone()) {}
  Element& operator=(const Element& other) { return *this = Element(other); }
  Element(Element&&) noexcept = default;
  Element& operator=(Element&&) noexcept = default;

  const Group& group() const { return *group_; }
  const ElementRep& rep() const { return *rep_; }
  // Fixed-width canonical encoding (SPEC.md §2). Aborts for the identity, which has no encoding: see
  // is_identity().
  Bytes encode() const;
  // Like encode(), into locked memory, for secret elements (m, k_i).
  Secret encode_secret() const;
  bool is_identity() const;
  // Constant time in the elements. The verdict is not secret.
  friend bool operator==(const Element& a, const Element& b);

 private:
  const Group* group_;
  std::unique_ptr<ElementRep> rep_;
};

// Precomputed powers of one public base. Made once for g, ḡ, h. Cheap to share; safe from several threads.
struct FixedBase {
  virtual ~FixedBase() = default;
  virtual const Element& base() const = 0;
  // base^f · x^−e for public f (a scalar's bytes) and public e (any big-endian integer up to a scalar's
  // width). Variable time. Checks a proof.
  virtual Element power_times_inverse_power(ByteView f, const Element& x, ByteView e) const = 0;
  // base^f · x^e. Variable time.
  virtual Element power_times_power(ByteView f, const Element& x, ByteView e) const = 0;
};

// A group of prime order q with generator g (SPEC.md §2), written multiplicatively. All users of a suite
// share one object. Every operation is safe from several threads.
class Group {
 public:
  virtual ~Group() = default;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  virtual SuiteId suite() const = 0;
  virtual std::size_t element_size() const = 0;
  // The order q and the width of an encoded scalar in bytes.
  virtual const ScalarField& scalars() const = 0;
  // L of hash_to_scalar and of MODP hash_to_element, SPEC.md §2.
  virtual std::size_t wide_size() const = 0;
  std::size_t scalar_size() const { return scalars().size(); }

  // Code::malformed for anything but the canonical encoding of a member other than the identity.
  virtual Result<Element> parse(ByteView encoded) const = 0;
  virtual Element identity() const = 0;
  virtual const FixedBase& generator() const = 0;
  virtual std::unique_ptr<FixedBase> fixed_base(const Element& base) const = 0;

  // Variable time: for public elements.
  virtual Element multiply(const Element& a, const Element& b) const = 0;
  virtual Element invert(const Element& a) const = 0;
  // a·b and a/b in constant time. For secret elements: m, and the k_i that combine to it.
  virtual Element multiply_secret(const Element& a, const Element& b) const = 0;
  virtual Element divide_secret(const Element& a, const Element& b) const = 0;

  // base^x and g^x in constant time in x. For secret exponents.
  virtual Element power_secret(const Element& base, const Scalar& x) const = 0;
  virtual Element generator_power_secret(const Scalar& x) const = 0;
  // base^e for a public big-endian integer of up to a scalar's width. Variable time.
  virtual Element power_public(const Element& base, ByteView e) const = 0;
  // ∏ bases[i]^exponents[i]. Variable time in the exponents, constant time in the bases. The powers share
  // their squarings where that is faster.
  virtual Element product_of_powers_public(std::span<const Element> bases,
                                           std::span<const Bytes> exponents) const = 0;

  // SPEC.md §2. hash_to_element fails only with negligible probability (MODP: result 0 or 1). It takes
  // variable time: for public messages.
  Scalar hash_to_scalar(ByteView msg, std::string_view dst) const;
  virtual Result<Element> hash_to_element(ByteView msg, std::string_view dst) const = 0;
  // A uniform member, for m.
  virtual Element random_message(Random& random) const = 0;

 protected:
  friend class Element;
  friend bool operator==(const Element& a, const Element& b);
  Group() = default;
  virtual void encode(const Element& element, std::span<std::uint8_t> out) const = 0;
  virtual bool is_identity(const Element& element) const = 0;
};

// The group of a suite. Made on first use; lives until the program ends.
const Group& group_of(SuiteId suite);

}  // namespace coprotect::protocol
