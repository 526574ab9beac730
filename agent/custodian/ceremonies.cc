#include "agent/custodian/ceremonies.h"

#include "agent/custodian/record.h"
#include "protocol/base/fault.h"

namespace coprotect::agent::custodian {
namespace {

using ipc::Route;

constexpr std::int64_t kIdleMs = 15 * 60 * 1000;

std::string invitation_uri(const protocol::InvitationId& id) {
  return "coprotect:invitation:" + to_hex(id);
}

Result<protocol::Sid> read_sid(std::string_view subject) {
  const auto bytes = from_hex(subject);
  protocol::Sid sid{};
  if (!bytes || bytes->size() != sid.size()) return Error(Code::not_found, "no such ceremony");
  std::copy(bytes->begin(), bytes->end(), sid.begin());
  return sid;
}

}  // namespace

Result<Bytes> Ceremonies::answer(const ipc::Call& call, const Peer& peer, std::int64_t now_ms) {
  if (!peer.invitation())
    return Error(Code::unauthenticated, "a ceremony needs the certificate of an invitation");
  const Caller caller{*peer.invitation(), now_ms};
  const std::lock_guard lock(mutex_);
  auto answer = run(call, caller);
  if (!answer) record_failure(caller, answer.error());
  fault_point("agent-reply");
  return answer;
}

Result<Bytes> Ceremonies::run(const ipc::Call& call, const Caller& caller) {
  if (call.route == Route::open) return open(caller, call.body);
  if (call.route == Route::status) return status(caller, call.body);
  const auto sid = read_sid(call.subject);
  if (!sid) return sid.error();
  switch (call.route) {
    case Route::parameters:
      return parameters(caller, *sid, call.body);
    case Route::join:
      return join(caller, *sid, call.body);
    case Route::reveal:
      return reveal(caller, *sid, call.body);
    case Route::deal:
      return deal(caller, *sid, call.body);
    case Route::prepare:
      return prepare(caller, *sid, call.body);
    case Route::store_blob:
      return store_blob(caller, *sid, call.body);
    case Route::activate:
      return activate(caller, *sid, call.body);
    case Route::abort:
      return abort(caller, *sid, call.body);
    default:
      return Error(Code::not_found, "no such step of a ceremony");
  }
}

void Ceremonies::sweep(std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  std::erase_if(running_, [&](const auto& entry) { return now_ms - entry.second.touched_ms > kIdleMs; });
}

Result<OwnInvitation> Ceremonies::authenticate(const Caller& caller, const InvitationId& named,
                                               protocol::MacTag tag, ByteView message) const {
  if (named != caller.invitation)
    return Error(Code::unauthenticated, "the message is of another invitation than the certificate");
  auto invitation = invitations_.find(caller.invitation);
  if (!invitation) return invitation;
  if (!protocol::verify_mac(invitation->secret, tag, message))
    return Error(Code::unauthenticated,
                 "the message was not made with invitation " + to_hex(caller.invitation));
  return invitation;
}

protocol::LogEntry Ceremonies::entry(const Caller& caller, const std::string& tenant,
                                     std::string detail) const {
  auto entry = entry_of(protocol::EntryKind::ceremony, tenant, caller.now_ms);
  entry.client = invitation_uri(caller.invitation);
  entry.detail = shortened(detail);
  return entry;
}

void Ceremonies::record_failure(const Caller& caller, const Error& error) {
  const auto running = running_.find(caller.invitation);
  const KeyPtr key = keys_.of_invitation(caller.invitation);
  if (running == running_.end() && key == nullptr) return;  // nobody who proved to hold an invitation
  auto failure = entry(caller, key ? key->tenant() : running->second.tenant, error.message());
  failure.outcome = code_name(error.code());
  if (key) failure.key_id = key->key_id();
  // The step fails whether or not this can be written.
  if (auto transaction = store_.begin(); transaction && log_.append(*transaction, std::move(failure)))
    static_cast<void>(transaction->commit());
}

}  // namespace coprotect::agent::custodian
