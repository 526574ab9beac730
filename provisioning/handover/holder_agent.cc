#include "provisioning/handover/holder_agent.h"

#include "protocol/base/fault.h"
#include "protocol/base/reader.h"
#include "protocol/message/onboarding.h"

namespace coprotect::provisioning {
namespace {

using protocol::HandoverStep;

constexpr std::chrono::seconds kHolderDeadline{60};

Bytes copy(ByteView view) {
  return {view.begin(), view.end()};
}

Status done(const Result<Bytes>& answer) {
  if (!answer) return answer.error();
  return Done{};
}

}  // namespace

HolderAgent::HolderAgent(const protocol::Bundle& bundle, const protocol::Party& party,
                         const client::Credentials& credentials, Random& random)
    : party_(party), random_(random), link_(bundle, party, credentials, kHolderDeadline) {}

Result<Bytes> HolderAgent::ask(HandoverStep step, Bytes payload) {
  const std::string what = "handover " + std::string(step_name(step));
  const std::string point = "send " + what + " to " + name();
  fault_point(("before " + point).c_str());
  auto plaintext = link_.ask("handover", protocol::HandoverBody{.step = step, .payload = std::move(payload)},
                             what, random_);
  fault_point(("after " + point).c_str());
  if (!plaintext) return std::move(plaintext).error();
  return copy(plaintext->reveal());
}

Result<protocol::Signature> HolderAgent::ask_signature(HandoverStep step, Bytes payload) {
  const auto answer = ask(step, std::move(payload));
  if (!answer) return answer.error();
  auto signature = protocol::parse_signature(*answer);
  if (!signature) return std::move(signature).error().in(name() + " agent");
  return signature;
}

Result<protocol::HandoverStatus> HolderAgent::status() {
  const auto answer = ask(HandoverStep::status, {});
  if (!answer) return answer.error();
  auto status = protocol::HandoverStatus::parse(*answer);
  if (!status) return std::move(status).error().in(name() + " agent");
  decided_ = std::max(status->epoch, status->decided);
  return status;
}

Result<protocol::HandoverNotice> HolderAgent::announce(const protocol::Announcement& announcement) {
  const auto answer = ask(HandoverStep::announce, announcement.encode());
  if (!answer) return answer.error();
  auto notice = protocol::HandoverNotice::parse(*answer);
  if (!notice) return std::move(notice).error().in(name() + " agent");
  return notice;
}

Status HolderAgent::veto(const protocol::HandoverNotice& notice) {
  const Digest hash = notice.hash();
  return done(ask(HandoverStep::veto, Bytes(hash.begin(), hash.end())));
}

Result<protocol::HandoverOffer> HolderAgent::offer() {
  const auto answer = ask(HandoverStep::offer, {});
  if (!answer) return answer.error();
  auto offer = protocol::HandoverOffer::parse(*answer);
  if (!offer) return std::move(offer).error().in(name() + " agent");
  return offer;
}

Result<Bytes> HolderAgent::consent(const protocol::DealRequest& request) {
  return ask(HandoverStep::consent, request.encode());
}

Result<std::vector<Bytes>> HolderAgent::deal(const protocol::DealRequest& request) {
  const auto answer = ask(HandoverStep::deal, request.encode());
  if (!answer) return answer.error();
  auto deals = protocol::MessageList::parse(*answer);
  if (!deals) return std::move(deals).error().in(name() + " agent");
  return std::move(deals->messages);
}

Result<protocol::Signature> HolderAgent::prepare(const protocol::PrepareRequest& request) {
  return ask_signature(HandoverStep::prepare, request.encode());
}

Result<protocol::Signature> HolderAgent::activate(ByteView version) {
  return ask_signature(HandoverStep::activate, copy(version));
}

Status HolderAgent::retire(const protocol::RetireRequest& request) {
  return done(ask(HandoverStep::retire, request.encode()));
}

Result<protocol::Signature> HolderAgent::abort(const protocol::AbortRequest& request) {
  return ask_signature(HandoverStep::abort, request.encode());
}

Result<Bytes> HolderAgent::list(const ListKind& kind) {
  return link_.connection().get("/v1/tenants/" + link_.tenant() + "/" + std::string(kind.path));
}

Result<std::pair<Bytes, Bytes>> HolderAgent::recovery_share() {
  const auto plaintext = link_.ask("recovery-share", protocol::RecoveryShareBody{}, "handover", random_);
  if (!plaintext) return plaintext.error();
  Reader r(plaintext->reveal());
  const auto blob = r.lp4();
  const auto parts = r.lp4();
  if (!blob || !parts || !r.empty()) return Error(Code::malformed, name() + " agent sent no recovery blob");
  return std::pair(copy(*blob), copy(*parts));
}

}  // namespace coprotect::provisioning
