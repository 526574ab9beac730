#pragma once

#include <gnutls/gnutls.h>

namespace coprotect::agent::front {

// libmicrohttpd 0.9.75 calls gnutls_handshake() and gnutls_record_recv() without reporting the result: a
// failed handshake ends without an alert, and it parses the bytes of a request's head leniently before any
// other code sees them. This program defines functions of these names, which the dynamic linker prefers to
// GnuTLS's, as it does for an allocator. They call GnuTLS's functions, and in addition:
// - the handshake tells the client's TLS why it failed, and the Server when it is done;
int handshake(gnutls_session_t session) noexcept;
// - received bytes pass through the connection's MessageCheck. A request that fails it is answered here, and
//   libmicrohttpd then sees the connection as broken off.
ssize_t receive(gnutls_session_t session, void* data, std::size_t size) noexcept;

// Whether libmicrohttpd's calls arrive here; false if the program is linked in a way that bypasses these
// functions.
bool calls_are_taken();

}  // namespace coprotect::agent::front
