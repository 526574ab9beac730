#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "protocol/crypto/machine_failure.h"
#include "protocol/x509/certificate.h"

namespace coprotect::protocol {
namespace {

using Store = Owned<X509_STORE, X509_STORE_free>;
using StoreContext = Owned<X509_STORE_CTX, X509_STORE_CTX_free>;

// The stack only borrows its certificates.
void free_stack(STACK_OF(X509) * stack) {
  sk_X509_free(stack);
}
using Stack = Owned<STACK_OF(X509), free_stack>;

// 112 bits: no SHA-1 in a signature (SSL_CTX_set_security_level(3)).
constexpr int kSecurityLevel = 2;

Error refused_chain(const std::string& why) {
  ERR_clear_error();
  return {Code::unauthenticated, "client certificate: " + why};
}

// The purpose check below accepts a certificate without the extension.
bool names_client_auth(X509* leaf) {
  return (X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) != 0 &&
         (X509_get_extended_key_usage(leaf) & XKU_SSL_CLIENT) != 0;
}

}  // namespace

Status verify_client_chain(std::span<const Certificate> chain, const Certificate& ca, std::int64_t now_ms) {
  if (chain.empty()) return refused_chain("none given");
  X509* const leaf = chain.front().x509();
  if (!names_client_auth(leaf)) return refused_chain("extended key usage clientAuth is missing");

  const Store store(X509_STORE_new());
  const Stack intermediates(sk_X509_new_null());
  const StoreContext context(X509_STORE_CTX_new());
  invariant(store != nullptr && intermediates != nullptr && context != nullptr);
  invariant(X509_STORE_add_cert(store.get(), ca.x509()) == 1);
  for (const Certificate& certificate : chain.subspan(1))
    invariant(sk_X509_push(intermediates.get(), certificate.x509()) > 0);
  invariant(X509_STORE_CTX_init(context.get(), store.get(), leaf, intermediates.get()) == 1);

  X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(context.get());
  invariant(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT) == 1);
  X509_VERIFY_PARAM_set_time(param, now_ms / 1000);
  X509_VERIFY_PARAM_set_depth(param, static_cast<int>(chain.size()) - 1);
  X509_VERIFY_PARAM_set_auth_level(param, kSecurityLevel);
  ERR_clear_error();
  const int verdict = X509_verify_cert(context.get());
  if (verdict == 1) return Done{};
  const int why = X509_STORE_CTX_get_error(context.get());
  const char* const words = X509_verify_cert_error_string(why);
  if (machine_failed() || verdict < 0 || why == X509_V_ERR_OUT_OF_MEM || why == X509_V_ERR_UNSPECIFIED)
    return Error(Code::unavailable, std::string("cannot verify a client certificate: ") + words);
  return refused_chain(words);
}

}  // namespace coprotect::protocol
