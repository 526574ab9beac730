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

// GnuTLS's words for why a certificate does not verify.
std::string reason(unsigned status) {
  gnutls_datum_t text{};
  if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) != GNUTLS_E_SUCCESS)
    return "does not verify";
  std::string words(reinterpret_cast<const char*>(text.data), text.size);
  gnutls_free(text.data);
  return words;
}

// Done if the chain leads to one of the list, within its dates, for clientAuth.
Status verify_with(gnutls_x509_trust_list_t list, std::vector<gnutls_x509_crt_t>& chain) {
  std::string purpose = GNUTLS_KP_TLS_WWW_CLIENT;
  gnutls_typed_vdata_st condition{
      .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = reinterpret_cast<unsigned char*>(purpose.data()), .size = 0};
  unsigned status = 0;
  const int result = gnutls_x509_trust_list_verify_crt2(
      list, chain.data(), static_cast<unsigned>(chain.size()), &condition, 1, 0, &status, nullptr);
  if (result < 0)
    return Error(Code::unauthenticated, std::string("client certificate: ") + gnutls_strerror(result));
  if (status != 0) return Error(Code::unauthenticated, "client certificate: " + reason(status));
  return Done{};
}

}  // namespace

Result<ClientAuthorities::List> ClientAuthorities::list_of(const std::vector<Bytes>& authorities) {
  List list;
  if (gnutls_x509_trust_list_init(out(list), 0) != GNUTLS_E_SUCCESS)
    return Error(Code::internal, "out of memory");
  for (const Bytes& authority : authorities) {
    // GnuTLS only reads through the pointer.
    auto crt =
        import_der({const_cast<std::uint8_t*>(authority.data()), static_cast<unsigned>(authority.size())});
    if (!crt) return std::move(crt).error().in("client authority");
    gnutls_x509_crt_t raw = crt->release();  // the list owns it from here on, also on failure
    if (gnutls_x509_trust_list_add_cas(list.get(), &raw, 1, GNUTLS_TL_NO_DUPLICATES) < 0)
      return Error(Code::internal, "client authority: cannot be added");
  }
  return list;
}

Result<std::shared_ptr<const ClientAuthorities>> ClientAuthorities::make(const ipc::Trust& trust) {
  auto clients = list_of(trust.authorities);
  if (!clients) return std::move(clients).error();
  auto agents = list_of(trust.peers);
  if (!agents) return std::move(agents).error();
  return std::shared_ptr<const ClientAuthorities>(
      new ClientAuthorities(*std::move(clients), *std::move(agents)));
}

Result<Peer> ClientAuthorities::verify(gnutls_session_t session) const {
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
  auto verified = verify_with(clients_.get(), raw);
  const bool is_agent = !verified && verify_with(agents_.get(), raw);
  if (!verified && !is_agent) return std::move(verified).error();
  return Peer{.certificate = {ders[0].data, ders[0].data + ders[0].size},
              .valid_until = valid_until,
              .is_agent = is_agent};
}

}  // namespace coprotect::agent::front
