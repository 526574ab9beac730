#pragma once

#include <optional>
#include <vector>

#include "client/agent_client.h"
#include "protocol/dkg/bundle.h"
#include "protocol/message/client_list.h"

namespace coprotect::provisioning {

// The longest that a client's certificate may be valid.
constexpr unsigned kMaxClientDays = 90;
// The last list that was signed, in the folder of the client CA: serial numbers never repeat.
constexpr std::string_view kClientListFile = "client-list";

// The client list at a key's agents (SPEC.md §7.4): fetched, compared, replaced.
class ClientLists {
 public:
  // `chain` and `key` are what the tool shows of itself; `key` outlives the object.
  ClientLists(const protocol::Bundle& bundle, std::vector<protocol::Certificate> chain,
              const protocol::SigningKey& key);

  // The newest of `local` and what the agents have. An agent that cannot be reached, or has no list yet, does
  // not count, but at least one must answer. Code::conflict if two different lists have one serial number.
  Result<Bytes> newest(const std::optional<Bytes>& local);
  // Whether an agent has an older list than this one, or none, as far as newest() heard.
  bool someone_lacks(ByteView list) const;
  // Gives the list to every agent. All are tried; the error names those that did not take it.
  Status push(ByteView list);

 private:
  struct Agent {
    client::AgentClient link;
    std::optional<Bytes> list;  // as newest() got it
    bool answered = false;
  };
  protocol::Certificate ca_;
  std::string path_;
  std::vector<Agent> agents_;
};

}  // namespace coprotect::provisioning
