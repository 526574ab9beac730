#include "agent/relay/tls_identity.h"

#include "agent/ipc/open_file.h"
#include "protocol/base/arena.h"
#include "protocol/base/dead_stack.h"

namespace coprotect::agent::relay {

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::read(int certificate_file, int key_file) {
  const auto certificate_pem = ipc::read_open_file(certificate_file);
  if (!certificate_pem) return Error(certificate_pem.error()).in("TLS certificate");
  auto certificate = protocol::Certificate::parse_pem(certificate_pem->reveal());
  if (!certificate) return std::move(certificate).error().in("TLS certificate");
  const locked_memory::KeyScope in_locked_memory;
  const WipesDeadStack nothing_left;
  const auto key_pem = ipc::read_open_file(key_file);
  if (!key_pem) return Error(key_pem.error()).in("TLS key");
  auto key = protocol::SigningKey::from_pem(key_pem->reveal());
  if (!key) return std::move(key).error().in("TLS key");
  if (!(key->public_key() == certificate->key()))
    return Error(Code::malformed, "the TLS key is not the certificate's");
  return std::make_shared<const TlsIdentity>(
      TlsIdentity{.certificate = *std::move(certificate), .key = *std::move(key)});
}

}  // namespace coprotect::agent::relay
