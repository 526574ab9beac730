#include "hsm/pkcs11/soft_object.h"

#include <algorithm>

#include "protocol/base/reader.h"

namespace coprotect::hsm::pkcs11 {
namespace {

enum Kind : std::uint64_t { boolean = 1, number = 2, text = 3, attributes = 4, numbers = 5 };

// The length of the value at the beginning; none if it is cut off.
std::optional<std::size_t> size_of_value(std::uint64_t kind, ByteView at) {
  Reader reader(at);
  if (kind == boolean) return 1;
  if (kind == number) return 8;
  const auto count = reader.u64();
  if (!count || *count > reader.size()) return std::nullopt;
  if (kind == text || kind == attributes) return 8 + *count;
  if (kind == numbers) return 8 + 8 * *count;
  return std::nullopt;
}

}  // namespace

Result<SoftObject> SoftObject::parse(ByteView file) {
  if (file.empty()) return Error(Code::altered, "it is empty");
  const Error cut_off(Code::altered, "it is cut off or of no known form");
  Reader reader(file);
  if (!reader.u64()) return cut_off;
  SoftObject object;
  while (!reader.empty()) {
    const auto type = reader.u64();
    const auto kind = reader.u64();
    const auto size = type && kind ? size_of_value(*kind, file.last(reader.size())) : std::nullopt;
    const auto value = size ? reader.bytes(*size) : std::nullopt;
    if (!value) return cut_off;
    object.attributes_.insert_or_assign(*type, Value{*kind, Bytes(value->begin(), value->end())});
  }
  return object;
}

ByteView SoftObject::text(std::uint64_t type) const {
  const auto found = attributes_.find(type);
  if (found == attributes_.end() || found->second.kind != Kind::text) return {};
  return ByteView(found->second.bytes).subspan(8);
}

bool SoftObject::has_all_of(const SoftObject& other) const {
  return std::ranges::all_of(other.attributes_,
                             [&](const auto& one) { return attributes_.contains(one.first); });
}

}  // namespace coprotect::hsm::pkcs11
