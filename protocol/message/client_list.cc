#include "protocol/message/client_list.h"

#include "protocol/crypto/hash.h"
#include "protocol/message/fields.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kClientListMagic = "CPCL\x01";

Error malformed_client_list(std::string_view what) {
  return {Code::malformed, "client list: " + std::string(what)};
}

Digest client_list_digest(ByteView signed_bytes) {
  return tagged_hash("CPV1-CLIENTS", {sha256(signed_bytes)});
}

}  // namespace

Bytes ClientList::sign(const SigningKey& ca_key) const {
  invariant(clients.size() <= kMaxClients);
  Writer w;
  w.literal(kClientListMagic).lp(tenant).u64(serial);
  write_time(w, time_ms);
  w.u16(static_cast<std::uint16_t>(clients.size()));
  for (const auto& [key_hash, uri] : clients) w.bytes(key_hash).lp(uri);
  const Signature signature = ca_key.sign(client_list_digest(w.view()));
  w.bytes(signature);
  return std::move(w).take();
}

Result<ClientList> ClientList::parse(ByteView encoded, const Certificate& ca) {
  Reader r(encoded);
  if (!r.literal(kClientListMagic)) return malformed_client_list("not of version 1");
  auto tenant = read_tenant(r);
  const auto serial = r.u64();
  const auto time_ms = read_time(r);
  const auto count = r.u16();
  if (!tenant || !serial || !time_ms || !count || *count > ClientList::kMaxClients)
    return malformed_client_list("cut off, or a field is not of its form");
  ClientList list{.tenant = *std::move(tenant), .serial = *serial, .time_ms = *time_ms, .clients = {}};
  for (std::size_t i = 0; i < *count; ++i) {
    const auto key_hash = r.array<32>();
    auto uri = read_uri(r);
    if (!key_hash || !uri) return malformed_client_list("cut off, or a client is not of its form");
    const std::string position = "client " + std::to_string(i);
    if (*key_hash == Digest{}) return malformed_client_list(position + ": the hash of no key");
    if (!is_client_uri(*uri, list.tenant))
      return malformed_client_list(position + ": \"" + *uri + "\" is no identity of tenant \"" + list.tenant +
                                   "\"");
    if (!list.clients.empty() && list.clients.rbegin()->first >= *key_hash)
      return malformed_client_list("clients are not in order");
    list.clients.emplace_hint(list.clients.end(), *key_hash, *std::move(uri));
  }
  const ByteView signed_bytes = encoded.first(encoded.size() - r.size());
  const auto signature = r.array<64>();
  if (!signature || !r.empty()) return malformed_client_list("cut off, or something follows");
  if (!ca.key().verify(client_list_digest(signed_bytes), *signature)) {
    return Error(Code::unauthenticated, "client list: not signed by the tenant's client CA");
  }
  return list;
}

}  // namespace coprotect::protocol
