#include "agent/front/server.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <ctime>

#include "agent/front/callbacks.h"

namespace coprotect::agent::front {
namespace {

constexpr std::chrono::milliseconds kTick(100);
constexpr std::size_t kConnectionMemory = std::size_t{32} << 10;

// TLS 1.3 with ephemeral elliptic-curve keys only (finite-field groups cost the server more than a stranger
// should be able to ask for), and without resumption, which would skip the verification of the client.
constexpr const char* kPriorities =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%NO_TICKETS";

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Fd listener, const Limits& limits,
                                              std::shared_ptr<const TlsIdentity> identity,
                                              std::shared_ptr<const ClientAuthorities> authorities,
                                              Exchange& exchange) {
  std::unique_ptr<Server> server(new Server(limits, exchange));
  server->identity_ = std::move(identity);
  server->authorities_ = std::move(authorities);
  const unsigned threads =
      std::clamp(std::thread::hardware_concurrency(), 2u, std::max(2u, limits.connections));
  // The certificate callback never runs, since each session gets the server's own credentials; it only keeps
  // libmicrohttpd from asking for a certificate of its own.
  server->daemon_.reset(
      MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr,
                       nullptr, &Callbacks::on_request, server.get(),                           //
                       MHD_OPTION_LISTEN_SOCKET, listener.release(),                            //
                       MHD_OPTION_HTTPS_PRIORITIES, kPriorities,                                //
                       MHD_OPTION_HTTPS_CERT_CALLBACK2, &Callbacks::no_certificate,             //
                       MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::on_connection, server.get(),   //
                       MHD_OPTION_URI_LOG_CALLBACK, &Callbacks::on_request_line, server.get(),  //
                       MHD_OPTION_UNESCAPE_CALLBACK, &Callbacks::leave_escapes, nullptr,        //
                       MHD_OPTION_NOTIFY_COMPLETED, &Callbacks::on_completed, server.get(),     //
                       MHD_OPTION_THREAD_POOL_SIZE, threads,                                    //
                       MHD_OPTION_CONNECTION_LIMIT, std::max(limits.connections, threads),      //
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,                   //
                       MHD_OPTION_STRICT_FOR_CLIENT, 1,                                         //
                       MHD_OPTION_END));
  if (server->daemon_ == nullptr) return Error(Code::internal, "cannot start the HTTP server");
  server->watcher_ = std::jthread([raw = server.get()](const std::stop_token& stop) { raw->watch(stop); });
  return server;
}

Server::~Server() = default;

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
  close(MHD_quiesce_daemon(daemon_.get()));  // the listener: who comes now is refused at once
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
    deadlines_.sweep(now);
  }
}

Status Server::check_peer(Connection& connection, gnutls_session_t session) {
  std::shared_ptr<const ClientAuthorities> authorities;
  {
    const std::lock_guard lock(mutex_);
    authorities = authorities_;
  }
  if (connection.verified_by == authorities && std::time(nullptr) <= connection.peer.valid_until)
    return Done{};
  auto peer = authorities->verify(session);
  if (!peer) {
    connection.verified_by = nullptr;
    return std::move(peer).error();
  }
  connection.peer = std::move(*peer);
  connection.verified_by = std::move(authorities);
  return Done{};
}

}  // namespace coprotect::agent::front
