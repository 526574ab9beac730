#pragma once

#include <cstdint>
#include <map>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::hsm::pkcs11 {

// A file of SoftHSM2's object store (lib/object_store/ObjectFile.cpp of SoftHSM 2.6): the token itself, or an
// object in it. All numbers have eight bytes, most significant first:
//
//   generation | for each attribute: type | kind | value
//
// The kinds: 1 a byte, 2 a number, 3 a length and bytes, 4 a length and attributes, 5 a count and numbers.
class SoftObject {
 public:
  // Code::altered if it is empty, cut off or malformed.
  static Result<SoftObject> parse(ByteView file);

  // The value of an attribute of kind 3; empty if there is none.
  ByteView text(std::uint64_t type) const;
  // Whether it has every attribute that the other one has. SoftHSM2 writes a file from its beginning, so a
  // file cut off between two attributes lacks some.
  bool has_all_of(const SoftObject& other) const;
  // Whether both are equal except for the generation, which each login raises.
  bool same_as(const SoftObject& other) const { return attributes_ == other.attributes_; }

  // CKA_OS_TOKENSERIAL, an attribute of the token.
  static constexpr std::uint64_t kTokenSerial = 0x8000534A;

 private:
  struct Value {
    std::uint64_t kind;
    Bytes bytes;
    bool operator==(const Value&) const = default;
  };
  std::map<std::uint64_t, Value> attributes_;
};

}  // namespace coprotect::hsm::pkcs11
