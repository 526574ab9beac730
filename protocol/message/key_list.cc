#include "protocol/message/key_list.h"

#include <algorithm>
#include <array>
#include <set>

#include "protocol/crypto/hash.h"
#include "protocol/message/fields.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kKeyListMagic = "CPKL\x01";
constexpr std::array kUses = {KeyUse::encrypts, KeyUse::decrypt_only, KeyUse::disabled, KeyUse::destroyed};

Error malformed_key_list(std::string_view what) {
  return {Code::malformed, "key list: " + std::string(what)};
}

Digest key_list_digest(ByteView signed_bytes) {
  return tagged_hash("CPV1-KEYS", {sha256(signed_bytes)});
}

std::optional<KeyUse> key_use_of(std::uint8_t number) {
  const auto found =
      std::ranges::find_if(kUses, [&](KeyUse use) { return static_cast<std::uint8_t>(use) == number; });
  return found == kUses.end() ? std::nullopt : std::optional(*found);
}

// The rules for a list's entries.
Status check(const std::vector<KeyList::Entry>& keys) {
  std::set<KeyId> seen;
  for (const auto& entry : keys) {
    if (!seen.insert(entry.key_id).second) return malformed_key_list("a key is named twice");
    if (entry.use == KeyUse::encrypts && &entry != &keys.front())
      return malformed_key_list("another key than the first encrypts");
  }
  return Done{};
}

}  // namespace

std::string_view key_use_name(KeyUse use) {
  switch (use) {
    case KeyUse::encrypts:
      return "encrypts";
    case KeyUse::decrypt_only:
      return "decrypt-only";
    case KeyUse::disabled:
      return "disabled";
    case KeyUse::destroyed:
      return "destroyed";
  }
  return "unknown";
}

std::optional<KeyUse> key_use_named(std::string_view name) {
  const auto found = std::ranges::find(kUses, name, key_use_name);
  return found == kUses.end() ? std::nullopt : std::optional(*found);
}

const KeyList::Entry* KeyList::find(const KeyId& key_id) const {
  const auto found = std::ranges::find(keys, key_id, &Entry::key_id);
  return found == keys.end() ? nullptr : &*found;
}

const KeyList::Entry* KeyList::encrypting() const {
  return !keys.empty() && keys.front().use == KeyUse::encrypts ? &keys.front() : nullptr;
}

Bytes KeyList::sign(const SigningKey& ca_key) const {
  invariant(keys.size() <= kMaxKeys && check(keys));
  Writer w;
  w.literal(kKeyListMagic).lp(tenant).u64(serial);
  write_time(w, time_ms);
  w.u16(static_cast<std::uint16_t>(keys.size()));
  for (const Entry& entry : keys) {
    w.bytes(entry.key_id).u8(static_cast<std::uint8_t>(entry.use));
    write_time(w, entry.effective_ms);
  }
  const Signature signature = ca_key.sign(key_list_digest(w.view()));
  w.bytes(signature);
  return std::move(w).take();
}

Result<KeyList> KeyList::parse(ByteView encoded, const Certificate& ca) {
  Reader r(encoded);
  if (!r.literal(kKeyListMagic)) return malformed_key_list("not of version 1");
  auto tenant = read_tenant(r);
  const auto serial = r.u64();
  const auto time_ms = read_time(r);
  const auto count = r.u16();
  if (!tenant || !serial || !time_ms || !count || *count > kMaxKeys)
    return malformed_key_list("cut off, or a field is not of its form");
  KeyList list{.tenant = *std::move(tenant), .serial = *serial, .time_ms = *time_ms, .keys = {}};
  for (std::size_t i = 0; i < *count; ++i) {
    const auto key_id = r.array<32>();
    const auto number = r.u8();
    const auto effective_ms = read_time(r);
    const auto use = number ? key_use_of(*number) : std::nullopt;
    if (!key_id || !use || !effective_ms) return malformed_key_list("cut off, or a key is not of its form");
    list.keys.push_back({*key_id, *use, *effective_ms});
  }
  const ByteView signed_bytes = encoded.first(encoded.size() - r.size());
  const auto signature = r.array<64>();
  if (!signature || !r.empty()) return malformed_key_list("cut off, or something follows");
  if (auto fits = check(list.keys); !fits) return std::move(fits).error();
  if (!ca.key().verify(key_list_digest(signed_bytes), *signature))
    return Error(Code::unauthenticated, "key list: not signed by the tenant's client CA");
  return list;
}

}  // namespace coprotect::protocol
