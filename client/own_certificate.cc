#include "client/own_certificate.h"

#include <openssl/ssl.h>

#include <string_view>

#include "protocol/file/utc_time.h"

namespace coprotect::client {
namespace {

// How to renew a certificate, from the kind in its URI ("coprotect:acme:user:alice").
std::string renewal(const protocol::Certificate& certificate) {
  for (const std::string& uri : certificate.uris()) {
    std::string_view rest(uri);
    const auto next = [&rest] {
      const std::size_t colon = rest.find(':');
      const std::string_view part = rest.substr(0, colon);
      rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
      return part;
    };
    if (next() != "coprotect") continue;
    next();  // the tenant
    const std::string_view kind = next();
    if (kind == "recovery") return "coprotect-provision drill --renew-kit, or new-code";
    if (kind == "user" || kind == "admin")
      return "an administrator runs coprotect-provision add-client " + std::string(rest) + " --replace";
  }
  return {};
}

std::string with_renewal(std::string text, const protocol::Certificate& certificate) {
  const std::string how = renewal(certificate);
  if (!how.empty()) text += "; to renew it, " + how;
  return text;
}

}  // namespace

Status check_own_dates(const protocol::Certificate& certificate, std::int64_t now_ms) {
  if (now_ms > certificate.not_after_ms())
    return Error(
        Code::unauthenticated,
        with_renewal("your certificate expired on " + protocol::format_utc_time(certificate.not_after_ms()),
                     certificate));
  if (now_ms < certificate.not_before_ms())
    return Error(Code::unauthenticated, "your certificate is not valid before " +
                                            protocol::format_utc_time(certificate.not_before_ms()) +
                                            ": is this computer's clock right?");
  return Done{};
}

std::string meaning_of_alert(int alert, const protocol::Certificate* certificate) {
  switch (alert) {
    case SSL_AD_CERTIFICATE_REQUIRED:
      return "it asks for a client certificate, and none was shown";
    case SSL_AD_CERTIFICATE_EXPIRED:
      if (certificate == nullptr) return {};
      return with_renewal(
          "it takes your certificate for expired, or not valid yet, although it is valid from " +
              protocol::format_utc_time(certificate->not_before_ms()) + " to " +
              protocol::format_utc_time(certificate->not_after_ms()) +
              ": is this computer's clock right, and the agent's?",
          *certificate);
    case SSL_AD_UNKNOWN_CA:
      return "it does not know the authority of your certificate: no company whose client CA made it is "
             "onboarded there";
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
      return "your certificate is not for clients";
    case SSL_AD_BAD_CERTIFICATE:
      return "it does not accept your certificate";
    case SSL_AD_PROTOCOL_VERSION:
      return "the two have no TLS version in common: TLS 1.3 is needed";
    default:
      return {};
  }
}

}  // namespace coprotect::client
