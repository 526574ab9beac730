#pragma once

#include <microhttpd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

#include "agent/front/client_authorities.h"
#include "agent/front/deadlines.h"
#include "agent/front/exchange.h"
#include "agent/front/tls_identity.h"
#include "protocol/base/fd.h"

namespace coprotect::agent::front {

struct Limits {
  std::chrono::milliseconds request;  // a whole request, whatever its speed
  std::chrono::milliseconds idle;     // between two requests of a connection
  unsigned connections;
};

class Server;

// One TLS connection, from accept to close.
struct Connection {
  Server& server;
  int socket;
  std::shared_ptr<const TlsIdentity> identity{};           // GnuTLS refers to it as long as the session lives
  std::shared_ptr<const ClientAuthorities> verified_by{};  // those that `peer` was verified with
  Peer peer{};

  // Null if it could not be made.
  static Connection* of(MHD_Connection* connection);
  static gnutls_session_t session_of(MHD_Connection* connection);
};

// HTTP/1.1 over TLS 1.3 with mandatory client certificates (agent/API.md), on libmicrohttpd's threads.
// Requests that are well-formed HTTP for a known endpoint go to the custodian; their connections are
// suspended meanwhile.
class Server {
 public:
  // Starts to accept. `exchange` must outlive the server.
  static Result<std::unique_ptr<Server>> start(Fd listener, const Limits& limits,
                                               std::shared_ptr<const TlsIdentity> identity,
                                               std::shared_ptr<const ClientAuthorities> authorities,
                                               Exchange& exchange);
  // Stops at once; only after drain().
  ~Server();

  // For connections that come from now on.
  void use(std::shared_ptr<const TlsIdentity> identity);
  // For every request from now on, on old connections too.
  void use(std::shared_ptr<const ClientAuthorities> authorities);
  // Accepts nothing more, refuses new requests, and returns when those that run are answered.
  void drain();

 private:
  friend class Callbacks;
  using Daemon = Owned<MHD_Daemon, MHD_stop_daemon>;

  Server(const Limits& limits, Exchange& exchange)
      : limits_(limits), deadlines_(limits.request, limits.idle), exchange_(exchange) {}
  void request_ended();
  void watch(const std::stop_token& stop);

  // Verifies the client of this connection, unless that was done with the present authorities and still
  // holds.
  Status check_peer(Connection& connection, gnutls_session_t session);

  const Limits limits_;
  Deadlines deadlines_;
  Exchange& exchange_;
  std::mutex mutex_;  // guards the next two
  std::shared_ptr<const TlsIdentity> identity_;
  std::shared_ptr<const ClientAuthorities> authorities_;
  std::atomic<bool> draining_ = false;
  std::atomic<unsigned> running_ = 0;        // requests between their head and the end of their answer
  std::atomic<std::size_t> body_bytes_ = 0;  // held in memory for all of them
  Daemon daemon_;
  std::jthread watcher_;
};

}  // namespace coprotect::agent::front
