#include "agent/front/callbacks.h"

#include <cstring>

#include "agent/c_boundary.h"

namespace coprotect::agent::front {
namespace {

Server& server_of(void* cls) {
  return *static_cast<Server*>(cls);
}

// Whether the client disconnected, was cut, or itself ended the handshake.
bool closed_by_client(int result) {
  return result == GNUTLS_E_PREMATURE_TERMINATION || result == GNUTLS_E_PULL_ERROR ||
         result == GNUTLS_E_PUSH_ERROR || result == GNUTLS_E_FATAL_ALERT_RECEIVED;
}

// Why a handshake failed for a reason other than the client's certificate.
Rejection failure_of(gnutls_session_t session, int result) {
  if (result == GNUTLS_E_CERTIFICATE_REQUIRED || result == GNUTLS_E_NO_CERTIFICATE_FOUND)
    return {GNUTLS_A_CERTIFICATE_REQUIRED, "connections without a certificate"};
  // With an older TLS version, GnuTLS reports that it found no cipher suite.
  const bool older =
      result == GNUTLS_E_NO_CIPHER_SUITES && gnutls_protocol_get_version(session) < GNUTLS_TLS1_3;
  if (older || result == GNUTLS_E_UNSUPPORTED_VERSION_PACKET)
    return {GNUTLS_A_PROTOCOL_VERSION, "handshakes of an older TLS than 1.3"};
  int level = 0;
  const int alert = gnutls_error_to_alert(result, &level);
  return {alert < 0 ? GNUTLS_A_HANDSHAKE_FAILURE : static_cast<gnutls_alert_description_t>(alert),
          "failed handshakes"};
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
      if (closing == nullptr) return 0;
      if (closing->see_off) server.acceptor_->see_off(closing->socket);
      server.deadlines_.closed(closing->socket);
      server.places_.closed(closing->socket);
      return 0;
    }
    const auto* const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const gnutls_session_t session = Connection::session_of(connection);
    if (info == nullptr || session == nullptr) return 0;  // on_request() refuses a connection without context
    gnutls_session_set_ptr(session, nullptr);             // handshake() refuses a session without one
    auto made = std::make_unique<Connection>(Connection{
        .server = server, .socket = info->connect_fd, .source = server.places_.source(info->connect_fd)});
    {
      const std::lock_guard lock(server.mutex_);
      made->identity = server.identity_;
    }
    // MHD_OPTION_HTTPS_MEM_TRUST would only ask for a certificate; this demands one and verifies it.
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, made->identity->credentials());
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    // Do not reveal the names of the tenants to strangers.
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
    return checked ? 0 : static_cast<int>(GNUTLS_E_CERTIFICATE_ERROR);
  });
}

void Callbacks::on_handshake(Connection& connection, gnutls_session_t session, int result) noexcept {
  at_c_boundary(0, [&] {
    Server& server = connection.server;
    if (result == GNUTLS_E_SUCCESS) {
      server.deadlines_.verified(connection.socket);
      if (auto placed = server.places_.verified(connection.socket, connection.peer, Clock::now()); !placed)
        connection.excess = std::move(placed).error();
      return 0;
    }
    if (closed_by_client(result)) return 0;
    const Rejection why =
        connection.rejection.alert != 0 ? connection.rejection : failure_of(session, result);
    gnutls_alert_send(session, GNUTLS_AL_FATAL, why.alert);
    server.acceptor_->see_off(connection.socket);
    server.tally_.count(connection.source, why.reason);
    return 0;
  });
}

void Callbacks::on_fault(Connection& connection, gnutls_session_t session) noexcept {
  at_c_boundary(0, [&] {
    if (connection.see_off) return 0;  // already answered
    connection.see_off = true;
    connection.server.tally_.count(connection.source, "malformed requests");
    const bool large = connection.messages.fault() == MessageCheck::Fault::head_too_large;
    const std::string answer =
        whole_answer({.error = Error(Code::malformed, std::string(connection.messages.reason())),
                      .status = large ? 431u : 400u});
    // No answer is being sent: libmicrohttpd reads after it has written. If there is no room for this one it
    // is lost, as with any client that does not read.
    gnutls_record_send(session, answer.data(), answer.size());
    return 0;
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
