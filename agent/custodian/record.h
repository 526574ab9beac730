#pragma once

#include <optional>

#include "agent/custodian/decide.h"
#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

using RequestId = ByteArray<8>;

// The entries that are made of one signed request; each knows what was known of the request when it was made.
class Record {
 public:
  Record(const protocol::SignedRequest::Envelope& envelope, const RequestId& id);

  // Who it is, once that is known.
  void set_client(const protocol::ClientIdentity& identity) { entry_.client = identity.uri; }
  // What was done and how it ended, for a drill's report, which has no items.
  void set_report(std::string detail) { operation_ = std::move(detail); }
  // What becomes of each item, once that is decided.
  void set_items(std::span<const Decision> decisions);

  protocol::LogEntry refusal(const Error& why, std::int64_t now_ms) const;
  // What is about to be done; the refusal of all items if none is left to do.
  protocol::LogEntry intent(std::int64_t now_ms) const;
  // How it ended: no error, or what went wrong after the intent.
  protocol::LogEntry result(const std::optional<Error>& error, std::int64_t now_ms) const;

 private:
  // "ok", or the first item's code if no item is done.
  std::string_view outcome() const;

  protocol::LogEntry entry_;
  std::string operation_;
};

// The entry of a step of a ceremony or of a new client list, which no signed request stands behind.
protocol::LogEntry entry_of(protocol::EntryKind kind, const std::string& tenant, std::int64_t now_ms);
// A detail that is no longer than the log should hold.
std::string shortened(std::string_view text);

}  // namespace coprotect::agent::custodian
