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
  std::shared_ptr<const TlsIdentity> identity{};           // GnuTLS uses it while the session exists
  std::shared_ptr<const ClientAuthorities> verified_by{};  // the CAs that verified `peer`
  Peer peer{};
  MessageCheck messages{};
  std::uint64_t requests = 0;     // requests that libmicrohttpd read from `messages`
  Rejection rejection{};          // if the client's certificate was refused
  bool see_off = false;           // answered while the client may still be sending
  std::optional<Error> excess{};  // why the connection has no place: the answer to its first request

  // Null if it could not be created.
  static Connection* of(MHD_Connection* connection);
  static gnutls_session_t session_of(MHD_Connection* connection);
};

// HTTP/1.1 over TLS 1.3 with mandatory client certificates (agent/API.md), on libmicrohttpd's threads.
// Well-formed requests for a known endpoint go to the custodian; their connections are suspended meanwhile.
class Server {
 public:
  // Starts accepting. `exchange` must outlive the server.
  static Result<std::unique_ptr<Server>> start(Fd listener, const ipc::Limits& limits,
                                               std::shared_ptr<const TlsIdentity> identity,
                                               std::shared_ptr<const ClientAuthorities> authorities,
                                               Exchange& exchange);
  // Stops immediately; call drain() first.
  ~Server();

  // Applies to new connections.
  void use(std::shared_ptr<const TlsIdentity> identity);
  // Applies to every new request, on existing connections too.
  void use(std::shared_ptr<const ClientAuthorities> authorities);
  // Applies to what begins later.
  void use(const ipc::Limits& limits);
  // Sets the ping that the watching thread answers once all threads are working.
  void ping(std::uint64_t number) { ping_ = number; }
  // Stops accepting, refuses new requests, and returns when the running ones are answered.
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
  // Whether the acceptor accepts connections and libmicrohttpd's threads close those that were shut down.
  bool is_at_work(Clock::time_point now) const;

  // Verifies this connection's client, unless the current CAs have verified it and that is still valid.
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
  std::atomic<std::uint64_t> ping_ = 0;  // the ping to answer; 0: none
  std::atomic<bool> draining_ = false;
  std::atomic<unsigned> running_ = 0;   // requests between their head and the end of their answer
  std::unique_ptr<Acceptor> acceptor_;  // its thread uses the daemon until it stops
  Daemon daemon_;
  std::jthread watcher_;
};

}  // namespace coprotect::agent::front
