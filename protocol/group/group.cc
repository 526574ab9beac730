#include "protocol/group/group.h"

#include "protocol/base/declassify.h"
#include "protocol/crypto/hash.h"
#include "protocol/group/modp.h"
#include "protocol/group/p256.h"

namespace coprotect::protocol {

Bytes Element::encode() const {
  Bytes out(group_->element_size());
  group_->encode(*this, out);
  return out;
}

Secret Element::encode_secret() const {
  Secret out(group_->element_size());
  group_->encode(*this, out.fill());
  return out;
}

bool Element::is_identity() const {
  // An honest element is the identity with probability 1/q, so this reveals nothing about it.
  return declassified(group_->is_identity(*this));
}

bool operator==(const Element& a, const Element& b) {
  if (a.group_ != b.group_) return false;
  if (a.is_identity() || b.is_identity()) return a.is_identity() && b.is_identity();
  return equal_in_constant_time(a.encode_secret(), b.encode_secret());
}

Scalar Group::hash_to_scalar(ByteView msg, std::string_view dst) const {
  return Scalar::reduce(scalars(), expand_message_xmd(msg, bytes_of(dst), wide_size()).reveal());
}

const Group& group_of(SuiteId suite) {
  // Never destroyed: elements in other static objects may be destroyed later.
  switch (suite) {
    case SuiteId::p256: {
      static const Group& group = *make_p256_group().release();
      return group;
    }
    case SuiteId::ffdhe2048: {
      static const Group& group = *make_modp_group(SuiteId::ffdhe2048).release();
      return group;
    }
    case SuiteId::ffdhe3072: {
      static const Group& group = *make_modp_group(SuiteId::ffdhe3072).release();
      return group;
    }
    case SuiteId::ffdhe4096: {
      static const Group& group = *make_modp_group(SuiteId::ffdhe4096).release();
      return group;
    }
  }
  std::abort();
}

}  // namespace coprotect::protocol
