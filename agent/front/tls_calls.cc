#include "agent/front/tls_calls.h"

#include <dlfcn.h>

#include "agent/front/callbacks.h"

namespace coprotect::agent::front {
namespace {

using Handshake = int (*)(gnutls_session_t);

Handshake gnutls_own_handshake() {
  static const auto function = reinterpret_cast<Handshake>(dlsym(RTLD_NEXT, "gnutls_handshake"));
  return function;
}

}  // namespace

int handshake(gnutls_session_t session) noexcept {
  auto* const connection = static_cast<Connection*>(gnutls_session_get_ptr(session));
  if (connection == nullptr) return GNUTLS_E_INTERNAL_ERROR;  // Callbacks::on_connection() failed
  const int result = gnutls_own_handshake()(session);
  if (result != GNUTLS_E_AGAIN && result != GNUTLS_E_INTERRUPTED)
    Callbacks::on_handshake(*connection, session, result);
  return result;
}

ssize_t receive(gnutls_session_t session, void* data, std::size_t size) noexcept {
  auto* const connection = static_cast<Connection*>(gnutls_session_get_ptr(session));
  if (connection == nullptr) return GNUTLS_E_INTERNAL_ERROR;
  if (connection->messages.fault() == MessageCheck::Fault::none) {
    // The same function, which also returns the record's number.
    unsigned char number[8];
    const ssize_t received = gnutls_record_recv_seq(session, data, size, number);
    if (received <= 0) return received;
    const auto bytes = static_cast<std::size_t>(received);
    const std::size_t passed = connection->messages.pass({static_cast<std::uint8_t*>(data), bytes});
    // If not all of it may pass, the part before the fault is answered first.
    if (passed > 0) return static_cast<ssize_t>(passed);
  }
  Callbacks::on_fault(*connection, session);
  return GNUTLS_E_PREMATURE_TERMINATION;
}

bool calls_are_taken() {
  return dlsym(RTLD_DEFAULT, "gnutls_handshake") == reinterpret_cast<void*>(&gnutls_handshake) &&
         dlsym(RTLD_DEFAULT, "gnutls_record_recv") == reinterpret_cast<void*>(&gnutls_record_recv) &&
         gnutls_own_handshake() != nullptr && gnutls_own_handshake() != &gnutls_handshake;
}

}  // namespace coprotect::agent::front

extern "C" {

[[gnu::visibility("default"), gnu::used]] int gnutls_handshake(gnutls_session_t session) {
  return coprotect::agent::front::handshake(session);
}

[[gnu::visibility("default"), gnu::used]] ssize_t gnutls_record_recv(gnutls_session_t session, void* data,
                                                                     std::size_t size) {
  return coprotect::agent::front::receive(session, data, size);
}

}  // extern "C"
