#include "agent/custodian/ceremonies.h"

#include "agent/custodian/record.h"
#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"

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

std::string step_label(const ipc::Call& call) {
  std::string label(route_name(call.route));
  if (const auto sid = read_sid(call.subject)) label += " of ceremony " + to_hex(*sid);
  return label;
}

Result<Bytes> Ceremonies::answer(const ipc::Call& call, const Peer& peer, std::int64_t now_ms) {
  if (!peer.invitation())
    return Error(Code::unauthenticated, "a ceremony needs the certificate of an invitation");
  const Caller caller{.invitation = *peer.invitation(),
                      .certificate = protocol::sha256(call.peer_certificate),
                      .now_ms = now_ms};
  const std::lock_guard lock(mutex_);
  auto answer = run(call, caller);
  if (!answer) record_failure(caller, call, answer.error());
  fault_point("agent-reply");
  return answer;
}

Result<Bytes> Ceremonies::run(const ipc::Call& call, const Caller& caller) {
  if (call.route != Route::status && call.route != Route::activate && spent(caller.invitation))
    return Error(Code::conflict, "invitation " + to_hex(caller.invitation) + " is spent: its key is active");
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
  caller.proved = true;
  caller.name_tenant(invitation->tenant);
  return invitation;
}

protocol::LogEntry Ceremonies::entry(const Caller& caller, const std::string& tenant,
                                     std::string detail) const {
  auto entry = entry_of(protocol::EntryKind::ceremony, tenant, caller.now_ms);
  entry.client = invitation_uri(caller.invitation);
  entry.detail = shortened(detail);
  return entry;
}

bool Ceremonies::spent(const InvitationId& invitation) const {
  const KeyPtr key = keys_.of_invitation(invitation);
  return key != nullptr && key->state != KeyState::prepared;
}

// A spent invitation's certificate stays valid for TLS; its holder must not be able to fill a log with it.
void Ceremonies::record_failure(const Caller& caller, const ipc::Call& call, const Error& error) {
  if (!caller.proved || spent(caller.invitation)) return;
  const auto running = running_.find(caller.invitation);
  const KeyPtr key = keys_.of_invitation(caller.invitation);
  const std::string tenant = key                         ? key->tenant()
                             : running != running_.end() ? running->second.tenant
                                                         : caller.tenant;
  if (tenant.empty()) return;  // the ceremony's owner is unknown
  auto failure = entry(caller, tenant, step_label(call) + ": " + error.message());
  failure.outcome = code_name(error.code());
  failure.request_hash = protocol::sha256(call.body);
  if (key) failure.key_id = key->key_id();
  // The step fails whether or not this is written.
  static_cast<void>(refusals_.add(caller.certificate, std::move(failure)));
}

}  // namespace coprotect::agent::custodian
