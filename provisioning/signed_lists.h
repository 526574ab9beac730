#pragma once

#include <optional>
#include <vector>

#include "client/agent_client.h"
#include "protocol/bundle/bundle.h"

namespace coprotect::provisioning {

// The longest that a client's certificate may be valid.
constexpr unsigned kMaxClientDays = 90;

// What a tenant's client CA signs for the agents, with a serial number that only grows.
struct ListKind {
  std::string_view name;  // as messages call it
  std::string_view path;  // the end of /v1/tenants/{tenant}/…
  std::string_view file;  // the last one that was signed, in the folder of the client CA: no serial repeats
  Result<std::uint64_t> (*serial)(ByteView list, const protocol::Certificate& ca);
};
extern const ListKind kClientLists;  // SPEC.md §7.4
extern const ListKind kKeyLists;     // SPEC.md §10

// A list of one kind at a key's agents: fetched, compared, replaced.
class SignedLists {
 public:
  // `chain` and `key` are what the tool shows of itself; `key` outlives the object.
  SignedLists(const ListKind& kind, const protocol::Bundle& bundle, std::vector<protocol::Certificate> chain,
              const protocol::SigningKey& key);

  const ListKind& kind() const { return kind_; }
  // The newest of `local` and what the agents have. An agent that cannot be reached, or has no list yet, does
  // not count, but at least one must answer. Code::not_found if there is none; Code::conflict if two
  // different lists have one serial number.
  Result<Bytes> newest(const std::optional<Bytes>& local);
  // Whether an agent has an older list than this one, or none, as far as newest() heard.
  bool someone_lacks(ByteView list) const;
  // Gives the list to every agent. All are tried; the error names those that did not take it.
  Status push(ByteView list);
  // Whether every agent refused what push() brought last: nobody has it, and nobody will.
  bool refused_by_all() const;

 private:
  struct Agent {
    client::AgentClient link;
    std::optional<Bytes> list;  // as newest() got it
    bool answered = false;
    bool refused = false;  // what push() brought
  };
  const ListKind& kind_;
  protocol::Certificate ca_;
  std::string path_;
  std::vector<Agent> agents_;
};

}  // namespace coprotect::provisioning
