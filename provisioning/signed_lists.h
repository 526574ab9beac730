#pragma once

#include <optional>
#include <vector>

#include "client/agent_client.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/peer_state.h"

namespace coprotect::provisioning {

// The longest that a client's certificate may be valid.
constexpr unsigned kMaxClientDays = 90;

// What a tenant's client CA signs for the agents, with a serial number that only grows.
struct ListKind {
  std::string_view name;  // as messages call it
  std::string_view path;  // the end of /v1/tenants/{tenant}/…
  std::string_view file;  // the last one that was signed, in the folder of the client CA: no serial repeats
  Result<std::uint64_t> (*serial)(ByteView list, const protocol::Certificate& ca);
  protocol::ListKind kind;
};
extern const ListKind kClientLists;  // SPEC.md §7.4
extern const ListKind kKeyLists;     // SPEC.md §10

// The serial number of a list that an agent tells. Code::conflict if no list may have it yet
// (protocol/message/list_serial.h): no agent took such a list, so this one lies, or its clock or ours is
// wrong.
Result<std::uint64_t> told_serial(const ListKind& kind, ByteView list, const protocol::Certificate& ca,
                                  const std::string& agent);
// The number of the list that follows. Code::conflict if there is none.
Result<std::uint64_t> serial_after(const ListKind& kind, std::uint64_t present);
// The number of a list that follows the present one and all that others can have signed by now without being
// seen: the time, if that is greater.
Result<std::uint64_t> serial_past_all(const ListKind& kind, std::uint64_t present, std::int64_t now_ms);

// Different lists with the newest serial number. An administrator signs one list at a time, and an agent
// takes one of each number: somebody else has the client CA's key, or a copy of its folder is in use.
struct Fork {
  std::uint64_t serial;
  std::vector<Bytes> lists;  // those of this number, each once
  std::string what;          // who tells them, and what that means
  bool in_folder;            // whether the folder has a list of any number
};

// A list of one kind at a key's agents: fetched, compared, replaced.
class SignedLists {
 public:
  // `chain` and `key` are what the tool shows of itself; `key` outlives the object.
  SignedLists(const ListKind& kind, const protocol::Bundle& bundle, std::vector<protocol::Certificate> chain,
              const protocol::SigningKey& key);

  const ListKind& kind() const { return kind_; }
  // The newest of `local` and what the agents have. An agent that cannot be reached, answers with an error,
  // with what the CA did not sign or with a told_serial() that is none, or has no list yet, does not count,
  // but at least one must answer. Code::not_found if there is none. If there is a fork(), the one in the
  // folder, or, without one, the first of those that have the newest number: a list of a greater number has
  // to be signed over them.
  Result<Bytes> newest(const std::optional<Bytes>& local);
  // As newest() found it; nothing if the newest number is one list's.
  const std::optional<Fork>& fork() const { return fork_; }
  // Whether an agent has an older list than this one, or none, as far as newest() heard.
  bool someone_lacks(ByteView list) const;
  // Gives the list to every agent. All are tried; the error names those that did not take it. An agent took
  // it if it signs that: Code::bad_proof if what answers in its place only says so.
  Status push(ByteView list);
  // Whether every agent refused what push() brought last: nobody has it, and nobody will.
  bool refused_by_all() const;

 private:
  struct Agent {
    client::AgentClient link;
    protocol::VerifyKey identity;
    std::optional<Bytes> list;  // as newest() got it
    bool answered = false;
    bool refused = false;  // what push() brought
  };
  const ListKind& kind_;
  protocol::Certificate ca_;
  std::string path_;
  std::vector<Agent> agents_;
  std::optional<Fork> fork_;
};

}  // namespace coprotect::provisioning
