#pragma once

#include <optional>

#include "agent/custodian/decide.h"
#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

using RequestId = ByteArray<8>;

// The entries that are made of one request (protocol/SPEC.md §7.3); each knows what was known of the request
// when it was made.
class Record {
 public:
  // Of what was presented, as long as nothing of it is known to be true. `what` names it in details.
  Record(std::uint8_t operation, std::string_view what, const RequestId& id, ByteView presented);

  // Whose connection it came by, as TLS and this agent verified the certificate. That tenant's log is the one
  // that holds the entries, whatever the request says.
  void set_caller(const Peer& peer, const Digest& certificate);
  // That it came by way of another agent of this key: its tenant's log holds the entries.
  void set_relay(const Key& key, const Digest& certificate);
  // What a request says whose own signature holds; of a handover also the step, and with what.
  void set_request(const protocol::SignedRequest::Envelope& envelope);
  // Who signed it, once that is known. The tenant is the caller's, if the caller has one.
  void set_client(const Client& client);
  void set_key(const protocol::KeyId& key_id) { entry_.key_id = key_id; }
  // What was done and how it ended, for a drill's report, which has no items.
  void set_report(std::string detail) { what_ = std::move(detail); }
  // What becomes of each item, once that is decided.
  void set_items(std::span<const Decision> decisions);

  // Whether it is known in whose log an entry belongs: nothing is written down for others.
  bool has_log() const { return !entry_.tenant.empty(); }
  // What refusals are counted by: the certificate that is answered for.
  const Digest& source() const { return source_; }

  protocol::LogEntry refusal(const Error& why, std::int64_t now_ms) const;
  // What is about to be done; the refusal of all items if none is left to do.
  protocol::LogEntry intent(std::int64_t now_ms) const;
  // How it ended: no error, or what went wrong after the intent.
  protocol::LogEntry result(const std::optional<Error>& error, std::int64_t now_ms) const;

 private:
  void set_step(ByteView body);
  // "ok", or the first item's code if no item is done.
  std::string_view outcome() const;

  protocol::LogEntry entry_;
  std::string what_;
  Digest source_{};
};

// The entry of a step of a ceremony or of a new client list, which no signed request stands behind.
protocol::LogEntry entry_of(protocol::EntryKind kind, const std::string& tenant, std::int64_t now_ms);
// A detail that is no longer than the log should hold.
std::string shortened(std::string_view text);

}  // namespace coprotect::agent::custodian
