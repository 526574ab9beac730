#pragma once

#include <gnutls/abstract.h>
#include <microhttpd.h>

#include <string_view>

#include "agent/front/request.h"
#include "agent/front/server.h"

namespace coprotect::agent::front {

// The functions that libmicrohttpd and GnuTLS call. `cls` is the Server.
class Callbacks {
 public:
  static void on_connection(void* cls, MHD_Connection* connection, void** context,
                            MHD_ConnectionNotificationCode what) noexcept;
  // Called by GnuTLS during the handshake: checks the client's certificate.
  static int verify_client(gnutls_session_t session) noexcept;
  // Called when the handshake has ended, with the result of gnutls_handshake().
  static void on_handshake(Connection& connection, gnutls_session_t session, int result) noexcept;
  // Called when the input is not a valid request, which libmicrohttpd will not see. Answers, and ends the
  // connection.
  static void on_fault(Connection& connection, gnutls_session_t session) noexcept;
  static int no_certificate(gnutls_session_t session, const gnutls_cert_retr_st* info,
                            gnutls_pcert_st** certificates, unsigned* count, gnutls_ocsp_data_st** ocsp,
                            unsigned* ocsp_count, gnutls_privkey_t* key, unsigned* flags) noexcept;
  // Called when the request line is complete.
  static void* on_request_line(void* cls, const char* uri, MHD_Connection* connection) noexcept;
  // Leaves escapes alone: paths are compared as sent.
  static std::size_t leave_escapes(void* cls, MHD_Connection* connection, char* text) noexcept;
  // Called with the request's head, with each part of its body, at its end, and again when it is answered.
  static MHD_Result on_request(void* cls, MHD_Connection* connection, const char* url, const char* method,
                               const char* version, const char* data, std::size_t* size,
                               void** context) noexcept;
  static void on_completed(void* cls, MHD_Connection* connection, void** context,
                           MHD_RequestTerminationCode why) noexcept;

 private:
  static std::optional<Refusal> objection(Server& server, MHD_Connection* connection, const Match& found);
  static MHD_Result begin(Server& server, MHD_Connection* connection, std::string_view method,
                          std::string_view path, void** context);
  static MHD_Result refuse(Server& server, MHD_Connection* connection, const Refusal& refusal);
  static void take(Server& server, Request& request, ByteView part);
  static void forward(Server& server, MHD_Connection* connection, Request& request);
};

}  // namespace coprotect::agent::front
