#include "agent/front/client_authorities.h"

#include <algorithm>
#include <string>
#include <vector>

namespace coprotect::agent::front {
namespace {

constexpr unsigned kMaxChain = 4;

using Crt = Owned<gnutls_x509_crt_int, gnutls_x509_crt_deinit>;

Result<Crt> import_der(const gnutls_datum_t& der) {
  Crt crt;
  if (gnutls_x509_crt_init(out(crt)) != GNUTLS_E_SUCCESS) return Error(Code::internal, "out of memory");
  const int result = gnutls_x509_crt_import(crt.get(), &der, GNUTLS_X509_FMT_DER);
  if (result < 0) return Error(Code::unauthenticated, std::string("certificate: ") + gnutls_strerror(result));
  return crt;
}

// GnuTLS's description of why a certificate does not verify.
std::string reason(unsigned status) {
  gnutls_datum_t text{};
  if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) != GNUTLS_E_SUCCESS)
    return "does not verify";
  std::string words(reinterpret_cast<const char*>(text.data), text.size);
  gnutls_free(text.data);
  return words;
}

// RFC 8446 §6.2. An unknown CA takes precedence, because GnuTLS checks the dates of such a chain too.
Rejection rejection_of(unsigned status) {
  if ((status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA)) != 0)
    return {GNUTLS_A_UNKNOWN_CA, "unknown certificate authority"};
  if ((status & GNUTLS_CERT_EXPIRED) != 0) return {GNUTLS_A_CERTIFICATE_EXPIRED, "expired certificate"};
  if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0)
    return {GNUTLS_A_CERTIFICATE_EXPIRED, "certificate that is not valid yet"};
  if ((status & GNUTLS_CERT_PURPOSE_MISMATCH) != 0)
    return {GNUTLS_A_UNSUPPORTED_CERTIFICATE, "certificate that is not for clients"};
  return {GNUTLS_A_BAD_CERTIFICATE, "bad certificate"};
}

// SHA-256 of the subject's public key, in hex.
Result<std::string> key_of(gnutls_x509_crt_t crt) {
  ByteArray<32> digest;
  std::size_t size = digest.size();
  const int result = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, digest.data(), &size);
  if (result < 0) return Error(Code::unauthenticated, std::string("certificate: ") + gnutls_strerror(result));
  return to_hex(digest);
}

// Succeeds if the chain leads to a CA of the list, within its dates, for clientAuth.
Status verify_with(gnutls_x509_trust_list_t list, std::vector<gnutls_x509_crt_t>& chain,
                   Rejection& rejection) {
  std::string purpose = GNUTLS_KP_TLS_WWW_CLIENT;
  gnutls_typed_vdata_st condition{
      .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = reinterpret_cast<unsigned char*>(purpose.data()), .size = 0};
  unsigned status = 0;
  const int result = gnutls_x509_trust_list_verify_crt2(
      list, chain.data(), static_cast<unsigned>(chain.size()), &condition, 1, 0, &status, nullptr);
  if (result < 0)
    return Error(Code::unauthenticated, std::string("client certificate: ") + gnutls_strerror(result));
  if (status == 0) return Done{};
  rejection = rejection_of(status);
  return Error(Code::unauthenticated, "client certificate: " + reason(status));
}

// Subject or issuer, DER.
template <auto Get>
Bytes name_of(gnutls_x509_crt_t crt) {
  gnutls_datum_t name{};
  if (Get(crt, &name) != GNUTLS_E_SUCCESS) return {};
  Bytes der(name.data, name.data + name.size);
  gnutls_free(name.data);
  return der;
}

}  // namespace

Result<ClientAuthorities::Authorities> ClientAuthorities::read(const std::vector<Bytes>& authorities) {
  Authorities read;
  for (const Bytes& authority : authorities) {
    // GnuTLS only reads through the pointer.
    auto crt =
        import_der({const_cast<std::uint8_t*>(authority.data()), static_cast<unsigned>(authority.size())});
    if (!crt) return std::move(crt).error().in("client authority");
    Bytes subject = name_of<gnutls_x509_crt_get_raw_dn>(crt->get());
    auto key = key_of(crt->get());
    if (!key) return std::move(key).error().in("client authority");
    List list;
    if (gnutls_x509_trust_list_init(out(list), 0) != GNUTLS_E_SUCCESS)
      return Error(Code::internal, "out of memory");
    gnutls_x509_crt_t raw = crt->release();  // the list owns it from here on, also on failure
    if (gnutls_x509_trust_list_add_cas(list.get(), &raw, 1, 0) != 1)
      return Error(Code::internal, "client authority: cannot be added");
    read.emplace(std::move(subject), Authority{.key = *std::move(key), .list = std::move(list)});
  }
  return read;
}

Result<std::shared_ptr<const ClientAuthorities>> ClientAuthorities::make(const ipc::Trust& trust) {
  auto clients = read(trust.authorities);
  if (!clients) return std::move(clients).error();
  auto agents = read(trust.peers);
  if (!agents) return std::move(agents).error();
  return std::shared_ptr<const ClientAuthorities>(
      new ClientAuthorities(*std::move(clients), *std::move(agents)));
}

// Tries each CA that, by name, issued a certificate of the chain.
Result<std::string> ClientAuthorities::verify(const Authorities& authorities,
                                              std::vector<gnutls_x509_crt_t>& chain, Rejection& rejection) {
  rejection = {GNUTLS_A_UNKNOWN_CA, "unknown certificate authority"};
  Error refused(Code::unauthenticated, "client certificate: its issuer is not known here");
  for (const gnutls_x509_crt_t crt : chain) {
    const auto [first, last] = authorities.equal_range(name_of<gnutls_x509_crt_get_raw_issuer_dn>(crt));
    for (auto authority = first; authority != last; ++authority) {
      Rejection one{};
      auto verified = verify_with(authority->second.list.get(), chain, one);
      if (verified) return authority->second.key;
      refused = std::move(verified).error();
      // Keep the true issuer's reason, not that of another CA of the same name.
      if (rejection.alert == GNUTLS_A_UNKNOWN_CA || rejection.alert == GNUTLS_A_BAD_CERTIFICATE)
        rejection = one;
    }
  }
  return refused;
}

Result<Peer> ClientAuthorities::verify(gnutls_session_t session, Rejection* rejection) const {
  Rejection unused;
  Rejection& why = rejection == nullptr ? unused : *rejection;
  why = {GNUTLS_A_BAD_CERTIFICATE, "bad certificate"};
  unsigned count = 0;
  const gnutls_datum_t* const ders = gnutls_certificate_get_peers(session, &count);
  if (ders == nullptr || count == 0) return Error(Code::unauthenticated, "no client certificate");
  if (count > kMaxChain || ders[0].size > ipc::kMaxCertificate)
    return Error(Code::unauthenticated, "client certificate: chain too long");

  std::vector<Crt> chain;
  std::vector<gnutls_x509_crt_t> raw;
  std::time_t valid_until = 0;
  for (unsigned i = 0; i < count; ++i) {
    auto crt = import_der(ders[i]);
    if (!crt) return std::move(crt).error().in("client");
    const std::time_t end = gnutls_x509_crt_get_expiration_time(crt->get());
    valid_until = i == 0 ? end : std::min(valid_until, end);
    raw.push_back(crt->get());
    chain.push_back(std::move(*crt));
  }
  auto verified = verify(clients_, raw, why);
  Rejection as_agent{};
  const bool is_agent = !verified && static_cast<bool>(verify(agents_, raw, as_agent));
  if (!verified && !is_agent) {
    // If an agent's certificate has expired, that says more than "not a client's certificate".
    if (why.alert == GNUTLS_A_UNKNOWN_CA && as_agent.alert != 0) why = as_agent;
    return std::move(verified).error();
  }
  auto key = key_of(raw.front());
  if (!key) return std::move(key).error();
  return Peer{.certificate = {ders[0].data, ders[0].data + ders[0].size},
              .key = *std::move(key),
              .tenant = is_agent ? std::string() : *std::move(verified),
              .valid_until = valid_until,
              .is_agent = is_agent};
}

}  // namespace coprotect::agent::front
