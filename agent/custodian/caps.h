#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "agent/custodian/settings.h"
#include "agent/custodian/store.h"
#include "agent/limit_use.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// A limit on the uses by one subject in one day (UTC).
class DailyCap {
 public:
  explicit DailyCap(std::uint64_t limit) : limit_(limit) {}

  void set_limit(std::uint64_t limit) { limit_ = limit; }
  std::uint64_t limit() const { return limit_; }
  void add(const std::string& subject, std::uint64_t uses, std::int64_t time_ms);
  // Also counts refusals.
  bool allows(const std::string& subject, std::uint64_t uses, std::int64_t now_ms) const;
  // Today's use by the subject with the most.
  LimitUse use(const std::string& name, std::int64_t now_ms) const;
  // Copies the counts of `other`, for a log whose beginning is cut off (log_state.h).
  void take_counts_of(const DailyCap& other) { days_ = other.days_; }
  void write(Writer& to) const;
  bool read(Reader& from);

 private:
  struct Day {
    std::int64_t number = 0;  // days since 1970
    std::uint64_t uses = 0;
  };
  std::uint64_t limit_;
  mutable std::uint64_t hits_ = 0;
  std::map<std::string, Day> days_;
};

// Limits mass decryption, and attacks that need many answers from one static key. Caps the partial
// decryptions requested for one key and the values derived with it, in total and by one client. Recovery
// requests have their own cap, so that daily work cannot block a recovery. A request of which no item was
// answered does not count against the key, so a client that may decrypt nothing cannot block others. Also
// caps irreversible handover steps that any administrator's certificate permits: a refresh lengthens the
// history, and a void uses up epochs. Aborted key generations of an invitation count as voids. The counts
// come from the log, so they survive a restart and no row of the store can reset them. Guarded by the store:
// use only within a transaction.
class Caps {
 public:
  explicit Caps(const Settings& settings);
  // Only counts; admits nothing.
  Caps() : Caps(RequestCaps{0, 0, 0, 0, 0}, 0, 0) {}

  // Replaces the request caps. Keeps the counts.
  void use(const RequestCaps& caps);
  // Counts an admitted request from the log.
  void count(const protocol::LogEntry& entry);
  // Replaces the counts with those of `other`. Keeps the limits.
  void take_counts_of(const Caps& other);
  // Writes the counts of all caps.
  void write(Writer& to) const;
  // False if the encoding is malformed.
  bool read(Reader& from);
  // Code::limited once a cap is reached. Counts the intent when the transaction is committed. Always admits a
  // request that does not use a share.
  Status admit(Transaction& transaction, const protocol::LogEntry& intent);
  // Code::limited once the cap of activated refreshes of this key is reached, or of plans voided by this
  // client or of this key.
  Status check_refresh(const protocol::KeyId& key_id, std::int64_t now_ms) const;
  Status check_void(const std::string& client, const protocol::KeyId& key_id, std::int64_t now_ms) const;
  // Code::limited once so many keys that the invitation prepared were aborted.
  Status check_aborts(const std::string& invitation, std::int64_t now_ms) const;

  // Today's use of each cap. Omits the derivation caps if nobody may derive.
  std::vector<LimitUse> uses(std::int64_t now_ms) const;

  // Endings of the log entries that count as a refresh or a void.
  static constexpr std::string_view kRefresh = ", a refresh";
  static constexpr std::string_view kVoid = ", which was not prepared here";
  // And the whole of one: each key generation that is given up erases a root, and with it every backup.
  static constexpr std::string_view kAborted = "aborted";
  // Whoever has the client CA's key makes clients: of one key so many clients' voids count.
  static constexpr std::uint64_t kVoidingClients = 8;

 private:
  Caps(const RequestCaps& requests, std::uint64_t derived_by_key, std::uint64_t derived_by_client);
  Status check_requests(const protocol::LogEntry& intent) const;
  Status check_derivations(const protocol::LogEntry& intent) const;

  static constexpr std::size_t kCaps = 8;
  std::array<DailyCap*, kCaps> all();
  std::array<const DailyCap*, kCaps> all() const;

  DailyCap requests_by_key_;
  DailyCap requests_by_client_;
  DailyCap recoveries_by_key_;
  DailyCap refreshes_by_key_;
  DailyCap voids_by_client_;
  DailyCap voids_by_key_;
  DailyCap derived_by_key_;
  DailyCap derived_by_client_;
};

}  // namespace coprotect::agent::custodian
