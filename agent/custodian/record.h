#pragma once

#include <optional>

#include "agent/custodian/decide.h"
#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

using RequestId = ByteArray<8>;

// The log entries of one request (protocol/SPEC.md §7.3). Each contains what is known of the request when the
// entry is made.
class Record {
 public:
  // For input of which nothing is verified yet. `what` names it in details.
  Record(std::uint8_t operation, std::string_view what, const RequestId& id, ByteView presented);

  // Sets the caller: the owner of the connection, as TLS and this agent verified its certificate. The entries
  // go into that tenant's log, whatever the request says.
  void set_caller(const Peer& peer, const Digest& certificate);
  // Notes that it came through another agent of this key: the entries go into the key's tenant's log.
  void set_relay(const Key& key, const Digest& certificate);
  // Sets the content of a request whose signature is valid; for a handover also the step and its argument.
  void set_request(const protocol::SignedRequest::Envelope& envelope);
  // Sets the signer, once known. The tenant is the caller's, if the caller has one.
  void set_client(const Client& client);
  void set_key(const protocol::KeyId& key_id) { entry_.key_id = key_id; }
  // Sets what was done and the result, for a drill report, which has no items.
  void set_report(std::string detail) { what_ = std::move(detail); }
  // Sets the decision on each item.
  void set_items(std::span<const Decision> decisions);

  // Whether the tenant whose log gets the entry is known; otherwise nothing is recorded.
  bool has_log() const { return !entry_.tenant.empty(); }
  // What refusals are counted by: the hash of the certificate responsible for the request.
  const Digest& source() const { return source_; }

  protocol::LogEntry refusal(const Error& why, std::int64_t now_ms) const;
  // What is about to be done; or the refusal of all items if none is left to do.
  protocol::LogEntry intent(std::int64_t now_ms) const;
  // How it ended: without error, or the error after the intent.
  protocol::LogEntry result(const std::optional<Error>& error, std::int64_t now_ms) const;

 private:
  void set_step(ByteView body);
  // "ok", or the first item's code if no item is done.
  std::string_view outcome() const;

  protocol::LogEntry entry_;
  std::string what_;
  Digest source_{};
};

// The entry for a step of a ceremony or for a new client list, which no signed request covers.
protocol::LogEntry entry_of(protocol::EntryKind kind, const std::string& tenant, std::int64_t now_ms);
// The text, cut to the length that the log allows for a detail.
std::string shortened(std::string_view text);

}  // namespace coprotect::agent::custodian
