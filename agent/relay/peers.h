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

// The agents of other parties, and the connections to them: kept for a while after each request, and taken
// again for the next one. A connection that the peer closed meanwhile, for instance because it restarted, is
// replaced by libcurl, which sends the request once more. Safe from several threads.
class Peers {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Peers(std::shared_ptr<const TlsIdentity> self) : self_(std::move(self)) {}

  // Another certificate; connections that were made with the old one are not taken again.
  void use(std::shared_ptr<const TlsIdentity> self);
  // Sends the request to its peer and waits for the answer, until `deadline`. Nobody but the holder of the
  // identity that the custodian named is spoken to. Code::unauthenticated if the peer is somebody else or
  // does not accept this agent, Code::limited while too many requests to it are under way, Code::unavailable
  // without an answer in time, or while another one asks a peer that gave none; otherwise the peer's own
  // code.
  Result<Bytes> post(const ipc::Forward& forward, Clock::time_point deadline);

 private:
  // A connection, and the certificate that it uses as long as it lives.
  struct Connection {
    std::shared_ptr<const TlsIdentity> self;
    client::AgentClient client;
    Clock::time_point idle_since{};
  };
  struct Peer {
    std::list<Connection> idle;  // the last used one first
    unsigned under_way = 0;
    bool silent = false;  // the last one to end had no answer in its time
  };
  using Name = std::pair<std::string, Bytes>;  // URL and identity

  Result<std::list<Connection>> take(const ipc::Forward& forward, const Name& name);
  void give_back(const Name& name, std::list<Connection> connection, bool silent);

  std::mutex mutex_;
  std::shared_ptr<const TlsIdentity> self_;
  std::map<Name, Peer> peers_;
};

}  // namespace coprotect::agent::relay
