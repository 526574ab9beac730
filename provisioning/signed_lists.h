#pragma once

#include <optional>
#include <vector>

#include "client/agent_client.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/peer_state.h"

namespace coprotect::provisioning {

// The maximum validity of a client's certificate.
constexpr unsigned kMaxClientDays = 90;

// A list that a tenant's client CA signs for the agents, with a serial number that only increases.
struct ListKind {
  std::string_view name;  // as in messages
  std::string_view path;  // the end of /v1/tenants/{tenant}/…
  std::string_view file;  // the last signed one, in the client CA's folder, so that no serial repeats
  Result<std::uint64_t> (*serial)(ByteView list, const protocol::Certificate& ca);
  protocol::ListKind kind;
};
extern const ListKind kClientLists;  // SPEC.md §7.4
extern const ListKind kKeyLists;     // SPEC.md §10

// The serial number of a list from an agent. Code::conflict if no list may have it yet
// (protocol/message/list_serial.h). No agent accepts such a list, so this agent lies, or its clock or ours is
// wrong.
Result<std::uint64_t> told_serial(const ListKind& kind, ByteView list, const protocol::Certificate& ca,
                                  const std::string& agent);
// The serial number of the next list. Code::conflict if there is none.
Result<std::uint64_t> serial_after(const ListKind& kind, std::uint64_t present);
// A serial number above the present one and above all that others can have signed unseen by now: the time, if
// that is greater.
Result<std::uint64_t> serial_past_all(const ListKind& kind, std::uint64_t present, std::int64_t now_ms);

// Different lists with the newest serial number. An administrator signs one list at a time, and an agent
// accepts one per number. So a fork means that someone else has the client CA's key, or that a copy of its
// folder is in use.
struct Fork {
  std::uint64_t serial;
  std::vector<Bytes> lists;  // all lists with this number, each once
  std::string what;          // who reported them, and what that means
  bool in_folder;            // whether the folder has a list of any number
};

// The lists of one kind at a key's agents: fetches, compares and replaces them.
class SignedLists {
 public:
  // `chain` and `key` are the tool's identity. `key` must outlive the object.
  SignedLists(const ListKind& kind, const protocol::Bundle& bundle, std::vector<protocol::Certificate> chain,
              const protocol::SigningKey& key);

  const ListKind& kind() const { return kind_; }
  // The newest of `local` and the agents' lists. At least one agent must answer. An agent does not count if
  // it is unreachable, answers with an error, has no list yet, or sends a list that the CA did not sign or
  // whose told_serial() is invalid. Code::not_found if there is no list. If there is a fork(), the folder's
  // list, or without one the first of those with the newest number: a list with a greater number must then be
  // signed.
  Result<Bytes> newest(const std::optional<Bytes>& local);
  // The result of newest(). Nothing if only one list has the newest number.
  const std::optional<Fork>& fork() const { return fork_; }
  // Whether an agent has an older list than this one, or none, according to newest().
  bool someone_lacks(ByteView list) const;
  // Sends the list to every agent. All are tried; the error names those that did not accept it. Only the
  // agent's signature proves that it accepted. Code::bad_proof if an answer claims so without it.
  Status push(ByteView list);
  // Whether every agent refused the list of the last push(). Then no agent has it or will have it.
  bool refused_by_all() const;

 private:
  struct Agent {
    client::AgentClient link;
    protocol::VerifyKey identity;
    std::optional<Bytes> list;  // from newest()
    bool answered = false;
    bool refused = false;  // the list of push()
  };
  const ListKind& kind_;
  protocol::Certificate ca_;
  std::string path_;
  std::vector<Agent> agents_;
  std::optional<Fork> fork_;
};

}  // namespace coprotect::provisioning
