#pragma once

#include <microhttpd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/front/acceptor.h"
#include "agent/front/budgets.h"
#include "agent/front/client_authorities.h"
#include "agent/front/deadlines.h"
#include "agent/front/exchange.h"
#include "agent/front/http/message_check.h"
#include "agent/front/places.h"
#include "agent/front/tally.h"
#include "agent/front/tls_identity.h"
#include "protocol/base/fd.h"

namespace coprotect::agent::front {

class Server;

// One TLS connection, from accept to close.
struct Connection {
  Server& server;
  int socket;
  std::string source{};                                    // its address (source_of())
  std::shared_ptr<const TlsIdentity> identity{};           // GnuTLS refers to it as long as the session lives
  std::shared_ptr<const ClientAuthorities> verified_by{};  // those that `peer` was verified with
  Peer peer{};
  MessageCheck messages{};
  std::uint64_t requests = 0;     // that libmicrohttpd read from them
  Rejection rejection{};          // if the client's certificate was refused
  bool see_off = false;           // whether an answer was given that the client may still be sending to
  std::optional<Error> excess{};  // why the connection has no place: told with its first request

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
  static Result<std::unique_ptr<Server>> start(Fd listener, const ipc::Limits& limits,
                                               std::shared_ptr<const TlsIdentity> identity,
                                               std::shared_ptr<const ClientAuthorities> authorities,
                                               Exchange& exchange);
  // Stops at once; only after drain().
  ~Server();

  // For connections that come from now on.
  void use(std::shared_ptr<const TlsIdentity> identity);
  // For every request from now on, on old connections too.
  void use(std::shared_ptr<const ClientAuthorities> authorities);
  // For what begins from now on.
  void use(const ipc::Limits& limits);
  // To be answered once all threads are at work; by the one that watches.
  void ping(std::uint64_t number) { ping_ = number; }
  // Accepts nothing more, refuses new requests, and returns when those that run are answered.
  void drain();

 private:
  friend class Callbacks;
  using Daemon = Owned<MHD_Daemon, MHD_stop_daemon>;

  Server(const ipc::Limits& limits, Exchange& exchange)
      : request_time_(std::chrono::seconds(limits.request_seconds)),
        deadlines_(times(limits)),
        places_(limits),
        budgets_(limits),
        exchange_(exchange) {}
  static Deadlines::Times times(const ipc::Limits& limits);
  void take(Fd socket, const sockaddr_storage& address, socklen_t size);
  void request_ended();
  void watch(const std::stop_token& stop);
  ipc::Usage usage() const;
  // Whether the acceptor accepts and libmicrohttpd's threads close what was shut down.
  bool is_at_work(Clock::time_point now) const;

  // Verifies the client of this connection, unless that was done with the present authorities and still
  // holds.
  Status check_peer(Connection& connection, gnutls_session_t session);

  std::atomic<std::chrono::milliseconds> request_time_;
  Deadlines deadlines_;
  Places places_;
  Budgets budgets_;
  Tally tally_;
  Exchange& exchange_;
  std::mutex mutex_;  // guards the next two
  std::shared_ptr<const TlsIdentity> identity_;
  std::shared_ptr<const ClientAuthorities> authorities_;
  std::atomic<std::uint64_t> ping_ = 0;  // the one to be answered; 0: none
  std::atomic<bool> draining_ = false;
  std::atomic<unsigned> running_ = 0;   // requests between their head and the end of their answer
  std::unique_ptr<Acceptor> acceptor_;  // whose thread uses the daemon until it stops
  Daemon daemon_;
  std::jthread watcher_;
};

}  // namespace coprotect::agent::front
