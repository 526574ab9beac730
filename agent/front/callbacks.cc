#include "agent/front/callbacks.h"

#include <cstring>

#include "agent/c_boundary.h"
#include "agent/log.h"

namespace coprotect::agent::front {
namespace {

Server& server_of(void* cls) {
  return *static_cast<Server*>(cls);
}

}  // namespace

Connection* Connection::of(MHD_Connection* connection) {
  const auto* const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == nullptr ? nullptr : static_cast<Connection*>(info->socket_context);
}

gnutls_session_t Connection::session_of(MHD_Connection* connection) {
  const auto* const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  return info == nullptr ? nullptr : static_cast<gnutls_session_t>(info->tls_session);
}

void Callbacks::on_connection(void* cls, MHD_Connection* connection, void** context,
                              MHD_ConnectionNotificationCode what) noexcept {
  at_c_boundary(0, [&] {
    Server& server = server_of(cls);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
      const std::unique_ptr<Connection> closing(static_cast<Connection*>(*context));
      *context = nullptr;
      if (closing != nullptr) server.deadlines_.closed(closing->socket);
      return 0;
    }
    const auto* const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const gnutls_session_t session = Connection::session_of(connection);
    if (info == nullptr || session == nullptr) return 0;  // on_request() refuses a connection without context
    auto made = std::make_unique<Connection>(Connection{.server = server, .socket = info->connect_fd});
    {
      const std::lock_guard lock(server.mutex_);
      made->identity = server.identity_;
    }
    // MHD_OPTION_HTTPS_MEM_TRUST would only ask for a certificate; this demands one and verifies it.
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, made->identity->credentials());
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    // Strangers need not learn the names of the tenants.
    gnutls_certificate_send_x509_rdn_sequence(session, 1);
    gnutls_session_set_verify_function(session, &Callbacks::verify_client);
    gnutls_session_set_ptr(session, made.get());
    server.deadlines_.opened(made->socket);
    *context = made.release();
    return 0;
  });
}

int Callbacks::verify_client(gnutls_session_t session) noexcept {
  return at_c_boundary(static_cast<int>(GNUTLS_E_CERTIFICATE_ERROR), [&] {
    auto& connection = *static_cast<Connection*>(gnutls_session_get_ptr(session));
    const auto checked = connection.server.check_peer(connection, session);
    if (checked) return 0;
    log_info("front: connection refused: " + checked.error().message());
    return static_cast<int>(GNUTLS_E_CERTIFICATE_ERROR);
  });
}

int Callbacks::no_certificate(gnutls_session_t, const gnutls_cert_retr_st*, gnutls_pcert_st**, unsigned*,
                              gnutls_ocsp_data_st**, unsigned*, gnutls_privkey_t*, unsigned*) noexcept {
  return -1;
}

void* Callbacks::on_request_line(void* cls, const char*, MHD_Connection* connection) noexcept {
  return at_c_boundary(static_cast<void*>(nullptr), [&]() -> void* {
    if (const Connection* const known = Connection::of(connection))
      server_of(cls).deadlines_.request_started(known->socket);
    return nullptr;
  });
}

std::size_t Callbacks::leave_escapes(void*, MHD_Connection*, char* text) noexcept {
  return std::strlen(text);
}

}  // namespace coprotect::agent::front
