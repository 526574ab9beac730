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

// So many uses by one subject in one day (UTC).
class DailyCap {
 public:
  explicit DailyCap(std::uint64_t limit) : limit_(limit) {}

  void set_limit(std::uint64_t limit) { limit_ = limit; }
  std::uint64_t limit() const { return limit_; }
  void add(const std::string& subject, std::uint64_t uses, std::int64_t time_ms);
  // Counts those that it does not allow.
  bool allows(const std::string& subject, std::uint64_t uses, std::int64_t now_ms) const;
  // How much of it is in use today, by the subject that has the most.
  LimitUse use(const std::string& name, std::int64_t now_ms) const;
  // What was counted so far, for a log whose beginning is cut off (log_state.h).
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

// The brakes on mass decryption and on attacks that need many answers of one static key: partial decryptions
// requested for one key, and values derived with it, in all and by one client. What recovers has a cap of its
// own, so that daily work does not keep a company from its last resort; and a request of which no item was
// answered does not count for the key, so that whoever may decrypt nothing keeps nobody else from it. Of
// handovers, what any administrator's certificate can do and nothing takes back: a refresh makes the history
// longer, and a void uses up epochs. An invitation's key generations that are given up count as voids.
// Counted from the log, so that they survive a restart and no row of the store can reset them. Guarded by the
// store: only to be used within a transaction.
class Caps {
 public:
  explicit Caps(const Settings& settings);
  // Counts only, and admits nothing.
  Caps() : Caps(RequestCaps{0, 0, 0, 0, 0}, 0, 0) {}

  // Other caps of requests from now on; what was counted stays.
  void use(const RequestCaps& caps);
  // Counts what the log says was admitted.
  void count(const protocol::LogEntry& entry);
  // What others counted is what counts from now on; the limits stay.
  void take_counts_of(const Caps& other);
  // What was counted, of all caps.
  void write(Writer& to) const;
  // False if it is not of its form.
  bool read(Reader& from);
  // Code::limited once a cap is reached; counts the intent when the transaction is committed. What does not
  // use a share is admitted always.
  Status admit(Transaction& transaction, const protocol::LogEntry& intent);
  // Code::limited once so many refreshes of the key were activated, or so many plans were voided by the
  // client, or of the key.
  Status check_refresh(const protocol::KeyId& key_id, std::int64_t now_ms) const;
  Status check_void(const std::string& client, const protocol::KeyId& key_id, std::int64_t now_ms) const;
  // Code::limited once so many keys that the invitation prepared were aborted.
  Status check_aborts(const std::string& invitation, std::int64_t now_ms) const;

  // How much of each is in use today. Those of derive keys only if somebody may derive.
  std::vector<LimitUse> uses(std::int64_t now_ms) const;

  // What entries of the log end with that count there.
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
