#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>

#include "agent/ipc/messages.h"
#include "protocol/base/result.h"

namespace coprotect::agent::front {

// The client or agent that a request belongs to.
struct Holder {
  std::string key;     // the client's or agent's own
  std::string tenant;  // the key of the authority that certified the client; empty for an agent

  bool is_agent() const { return tenant.empty(); }
  auto operator<=>(const Holder&) const = default;
};

// Limits how many requests each client may have under way, and how many bytes of their bodies the front holds
// in memory for it. A client is identified by its key, on any number of connections. All clients of a tenant
// together have a limit too, which leaves room for other tenants. Agents are counted separately, so clients
// and agents cannot use up each other's resources. Code::limited if the client or its tenant has too much
// under way; Code::unavailable if all clients together, or all agents, have. Safe from several threads.
class Budgets {
 public:
  explicit Budgets(const ipc::Limits& limits) : limits_(limits) {}

  void use(const ipc::Limits& limits);

  // Begins a request whose body is announced to have this many bytes.
  Status begin(const Holder& holder, std::size_t bytes);
  // Adds bytes beyond the announced size to the body of a request under way.
  Status grow(const Holder& holder, std::size_t bytes);
  // How much of each limit is in use.
  void add_to(ipc::Usage& usage) const;
  // Ends a request; `bytes` is everything that was charged to it.
  void end(const Holder& holder, std::size_t bytes);

 private:
  struct Share {
    unsigned requests = 0;
    std::size_t bytes = 0;
  };
  // All counters that a request counts against; created if missing. Agents have no tenant.
  struct Shares {
    Share* own;
    Share* tenant;
    Share* all;
  };
  Shares of(const Holder& holder);
  Status room_for(const Holder& holder, const Shares& shares, std::size_t bytes);
  Status place_for(const Holder& holder, const Shares& shares);
  Error hit(ipc::FrontLimit limit, Code code, const char* what);
  void forget(const Holder& holder);

  mutable std::mutex mutex_;
  ipc::Limits limits_;
  std::map<Holder, Share> shares_;
  std::map<std::string, Share> tenants_;
  Share clients_;
  Share agents_;
  ipc::Usage hits_;
};

}  // namespace coprotect::agent::front
