#pragma once

#include <map>
#include <shared_mutex>
#include <string>

#include "agent/custodian/contacts.h"
#include "agent/custodian/keys.h"
#include "agent/custodian/log.h"
#include "agent/custodian/settings.h"
#include "hsm/erasure_holds.h"

namespace coprotect::agent::custodian {

// Whether the entry records an operator's statement about an erasure, rather than a list.
bool is_hold(const protocol::LogEntry& entry);

// The destroyed keys whose erasure this agent's operator holds. The operator says so on the agent's host
// (hsm/erasure_holds.h). Each statement is recorded in the tenant's log, and from then on the log counts:
// removing the file does not end a hold, and restoring an older statement changes nothing. A file that cannot
// be read or verified also holds the erasure, because its content is unknown.
//
// A hold keeps a destroyed key's shares in place. It does not make the key usable. It does not delay an
// erasure that a handover promised to the other parties (SPEC.md §13.6).
class HeldErasures {
 public:
  // All arguments must outlive it.
  HeldErasures(const Settings& settings, const hsm::Keyring& keyring, Store& store, const Keys& keys,
               Log& log, Contacts& contacts)
      : settings_(settings),
        store_(store),
        keys_(keys),
        log_(log),
        contacts_(contacts),
        holds_(settings.folder, keyring) {}

  // Whether the log entry carries the operator's current decision.
  static bool decides(const protocol::LogEntry& entry);
  // The number of the statement in such an entry. The greatest number counts.
  static std::uint64_t number_of(const protocol::LogEntry& entry);
  // Call at start for every log entry.
  void visit(const protocol::LogEntry& entry);
  // Reads the operator's new statements, records them and notifies the contacts. Returns the first statement
  // that cannot be verified or recorded; accepts the others.
  Status look();
  // Whether erasure of this key is held now. Reads the operator's statement again.
  bool hold(const protocol::KeyId& key_id) const;

  // As of the last look().
  struct State {
    std::uint64_t number = 0;  // of the newest statement in the log
    bool held = false;         // its content
    std::string problem;       // what is wrong with the file, or empty
    bool unverified = false;   // whether the file holds because of it
  };
  State state_of(const protocol::KeyId& key_id) const;

 private:
  Status take(const hsm::ErasureHolds::Entry& entry);
  Status take(const Key& key, const hsm::ErasureHold& said);
  Status note_unverified(const Key& key, const Error& why);
  Status record(const Key& key, protocol::LogEntry entry, bool held, const std::string& what);
  void set_problem(const protocol::KeyId& key_id, std::string problem, bool unverified);
  // Updates states whose file is missing or readable again.
  void note_missing(const std::vector<hsm::ErasureHolds::Entry>& found);

  const Settings& settings_;
  Store& store_;
  const Keys& keys_;
  Log& log_;
  Contacts& contacts_;
  hsm::ErasureHolds holds_;
  mutable std::shared_mutex mutex_;
  std::map<protocol::KeyId, State> states_;
  std::string folder_problem_;  // then everything is held
};

}  // namespace coprotect::agent::custodian
