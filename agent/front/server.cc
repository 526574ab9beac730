#include "agent/front/server.h"

#include <algorithm>
#include <condition_variable>
#include <ctime>

#include "agent/front/callbacks.h"
#include "agent/front/tls_calls.h"
#include "agent/log.h"

namespace coprotect::agent::front {
namespace {

constexpr std::chrono::milliseconds kTick(100);
// A thread that made no progress for this long hangs, however busy the machine is.
constexpr std::chrono::seconds kStuck(20);
constexpr std::size_t kConnectionMemory = std::size_t{32} << 10;
constexpr unsigned kMostConnections = 200'000;  // never reached: Places limits them

// TLS 1.3 with ephemeral elliptic-curve keys only: finite-field groups would let strangers cause too much
// work. Without resumption, which would skip the verification of the client.
constexpr const char* kPriorities =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%NO_TICKETS";

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Fd listener, const ipc::Limits& limits,
                                              std::shared_ptr<const TlsIdentity> identity,
                                              std::shared_ptr<const ClientAuthorities> authorities,
                                              Exchange& exchange) {
  if (!calls_are_taken())
    return Error(Code::internal, "libmicrohttpd was linked in a way that this program does not expect");
  std::unique_ptr<Server> server(new Server(limits, exchange));
  server->identity_ = std::move(identity);
  server->authorities_ = std::move(authorities);
  const unsigned threads = std::max(2u, std::thread::hardware_concurrency());
  // The certificate callback never runs, because each session gets the server's own credentials. It only
  // keeps libmicrohttpd from requiring a certificate of its own.
  server->daemon_.reset(
      MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_ALLOW_SUSPEND_RESUME |
                           MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC,
                       0, nullptr, nullptr, &Callbacks::on_request, server.get(),               //
                       MHD_OPTION_HTTPS_PRIORITIES, kPriorities,                                //
                       MHD_OPTION_HTTPS_CERT_CALLBACK2, &Callbacks::no_certificate,             //
                       MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::on_connection, server.get(),   //
                       MHD_OPTION_URI_LOG_CALLBACK, &Callbacks::on_request_line, server.get(),  //
                       MHD_OPTION_UNESCAPE_CALLBACK, &Callbacks::leave_escapes, nullptr,        //
                       MHD_OPTION_NOTIFY_COMPLETED, &Callbacks::on_completed, server.get(),     //
                       MHD_OPTION_THREAD_POOL_SIZE, threads,                                    //
                       MHD_OPTION_CONNECTION_LIMIT, kMostConnections,                           //
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,                   //
                       MHD_OPTION_STRICT_FOR_CLIENT, 1,                                         //
                       MHD_OPTION_END));
  if (server->daemon_ == nullptr) return Error(Code::internal, "cannot start the HTTP server");
  auto acceptor =
      Acceptor::make(std::move(listener), server->places_, server->tally_,
                     [raw = server.get()](Fd socket, const sockaddr_storage& address, socklen_t size) {
                       raw->take(std::move(socket), address, size);
                     });
  if (!acceptor) return std::move(acceptor).error();
  server->acceptor_ = *std::move(acceptor);
  server->acceptor_->start();
  server->watcher_ = std::jthread([raw = server.get()](const std::stop_token& stop) { raw->watch(stop); });
  return server;
}

Server::~Server() {
  if (acceptor_ != nullptr) acceptor_->stop_accepting();
  watcher_ = {};
  daemon_.reset();  // its threads drain connections
  acceptor_.reset();
}

Deadlines::Times Server::times(const ipc::Limits& limits) {
  return {.handshake = std::chrono::seconds(limits.handshake_seconds),
          .request = std::chrono::seconds(limits.request_seconds),
          .idle = std::chrono::seconds(limits.idle_seconds)};
}

void Server::take(Fd socket, const sockaddr_storage& address, socklen_t size) {
  const int number = socket.release();  // libmicrohttpd closes it, also on failure
  if (MHD_add_connection(daemon_.get(), number, reinterpret_cast<const sockaddr*>(&address), size) == MHD_NO)
    places_.closed(number);
}

void Server::use(const ipc::Limits& limits) {
  request_time_ = std::chrono::seconds(limits.request_seconds);
  deadlines_.use(times(limits));
  places_.use(limits);
  budgets_.use(limits);
}

void Server::use(std::shared_ptr<const TlsIdentity> identity) {
  const std::lock_guard lock(mutex_);
  identity_ = std::move(identity);
}

void Server::use(std::shared_ptr<const ClientAuthorities> authorities) {
  const std::lock_guard lock(mutex_);
  authorities_ = std::move(authorities);
}

void Server::drain() {
  draining_ = true;
  acceptor_->stop_accepting();
  for (unsigned left = running_; left != 0; left = running_) running_.wait(left);
}

void Server::request_ended() {
  if (--running_ == 0) running_.notify_all();
}

void Server::watch(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, stop, kTick, [&] { return stop.stop_requested(); })) {
    const Clock::time_point now = Clock::now();
    exchange_.sweep(now);
    for (const int socket : deadlines_.sweep(now))
      tally_.count(places_.source(socket), "handshakes that took too long");
    for (const std::string& line : tally_.due(now)) log_warning(line);
    if (ping_ != 0 && is_at_work(now)) exchange_.pong(ping_.exchange(0), usage());
  }
}

ipc::Usage Server::usage() const {
  ipc::Usage usage;
  places_.add_to(usage);
  budgets_.add_to(usage);
  deadlines_.add_to(usage);
  return usage;
}

bool Server::is_at_work(Clock::time_point now) const {
  const auto overdue = deadlines_.overdue_since();
  return now - acceptor_->last_turn() < kStuck && (!overdue || now - *overdue < kStuck);
}

Status Server::check_peer(Connection& connection, gnutls_session_t session) {
  std::shared_ptr<const ClientAuthorities> authorities;
  {
    const std::lock_guard lock(mutex_);
    authorities = authorities_;
  }
  if (connection.verified_by == authorities && std::time(nullptr) <= connection.peer.valid_until)
    return Done{};
  auto peer = authorities->verify(session, &connection.rejection);
  if (!peer) {
    connection.verified_by = nullptr;
    return std::move(peer).error();
  }
  connection.peer = std::move(*peer);
  connection.verified_by = std::move(authorities);
  return Done{};
}

}  // namespace coprotect::agent::front
