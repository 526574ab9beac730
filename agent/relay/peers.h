#pragma once

#include <chrono>
#include <list>
#include <map>
#include <mutex>
#include <string>

#include "agent/ipc/messages.h"
#include "agent/relay/tls_identity.h"
#include "client/agent_client.h"

namespace coprotect::agent::relay {

// Connections to the agents of other parties, kept for a while after each request and reused for the next
// one. If the peer has closed a connection meanwhile, for example because it restarted, libcurl replaces it
// and sends the request again. Safe from several threads.
class Peers {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Peers(std::shared_ptr<const TlsIdentity> self) : self_(std::move(self)) {}

  // Replaces the certificate. Connections made with the old one are not reused.
  void use(std::shared_ptr<const TlsIdentity> self);
  // Sends the request to its peer and waits for the answer until `deadline`. Talks only to the holder of the
  // identity that the custodian named. Code::unauthenticated if the peer has another identity or rejects this
  // agent; Code::limited while too many requests to it are under way; Code::unavailable if no answer comes in
  // time, or while another request is asking a peer that did not answer the last one. Otherwise the peer's
  // own code.
  Result<Bytes> post(const ipc::Forward& forward, Clock::time_point deadline);

 private:
  // A connection, and the certificate that it uses throughout.
  struct Connection {
    std::shared_ptr<const TlsIdentity> self;
    client::AgentClient client;
    Clock::time_point idle_since{};
  };
  struct Peer {
    std::list<Connection> idle;  // most recently used first
    unsigned under_way = 0;
    bool silent = false;  // the last completed request had no answer in time
  };
  using Name = std::pair<std::string, Bytes>;  // URL and identity

  Result<std::list<Connection>> take(const ipc::Forward& forward, const Name& name);
  void give_back(const Name& name, std::list<Connection> connection, bool silent);

  std::mutex mutex_;
  std::shared_ptr<const TlsIdentity> self_;
  std::map<Name, Peer> peers_;
};

}  // namespace coprotect::agent::relay
