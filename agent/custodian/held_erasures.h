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

// Whether it is about what an operator said of an erasure, and not about a list.
bool is_hold(const protocol::LogEntry& entry);

// The destroyed keys whose erasure this agent's operator holds. He says so on the agent's host
// (hsm/erasure_holds.h). Each statement is recorded in the tenant's log, and from then on the log is what
// counts: a hold whose file is removed stands, and an older statement that is put back changes nothing. A
// file that cannot be read or verified holds: nobody knows what it says.
//
// A hold keeps a destroyed key's shares where they are. It gives the key no use, and it holds no erasure that
// a handover promised to the other parties (SPEC.md §13.6).
class HeldErasures {
 public:
  // All outlive it.
  HeldErasures(const Settings& settings, const hsm::Keyring& keyring, Store& store, const Keys& keys,
               Log& log, Contacts& contacts)
      : settings_(settings),
        store_(store),
        keys_(keys),
        log_(log),
        contacts_(contacts),
        holds_(settings.folder, keyring) {}

  // Whether an entry of the log says what the operator last said.
  static bool decides(const protocol::LogEntry& entry);
  // The number of the statement that such an entry is of. A greater one counts.
  static std::uint64_t number_of(const protocol::LogEntry& entry);
  // At the start, for every entry of the log.
  void visit(const protocol::LogEntry& entry);
  // Takes what the operator said since: records it, and tells the contacts. The error is the first statement
  // that cannot be verified or recorded; the others are taken.
  Status look();
  // Whether nothing of this key may be erased at this moment. Reads the operator's statement again.
  bool hold(const protocol::KeyId& key_id) const;

  // As look() saw it last.
  struct State {
    std::uint64_t number = 0;  // of the newest statement in the log
    bool held = false;         // what it says
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
  // States whose file is missing, or in order again.
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
