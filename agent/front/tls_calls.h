#pragma once

#include <gnutls/gnutls.h>

namespace coprotect::agent::front {

// libmicrohttpd 0.9.75 calls gnutls_handshake() and gnutls_record_recv(), and tells nobody what came of it: a
// handshake that fails ends without an alert, and the bytes of a request's head are parsed leniently before
// anybody else can see them. This program has functions of these names, which the dynamic linker prefers to
// GnuTLS's (as it does for an allocator), and so takes part. They do what GnuTLS's functions do, and
// besides that

// - the handshake tells the client's TLS why it failed, and the Server when it is done;
int handshake(gnutls_session_t session) noexcept;
// - received bytes pass the connection's MessageCheck. A request that does not is answered here, and the
//   connection then looks to libmicrohttpd as if it had broken off.
ssize_t receive(gnutls_session_t session, void* data, std::size_t size) noexcept;

// Whether libmicrohttpd's calls arrive here: false if it was linked in another way than this expects.
bool calls_are_taken();

}  // namespace coprotect::agent::front
