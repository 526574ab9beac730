#include "swtpm-tests/hostile/turned_agent.h"

#include <future>
#include <stdexcept>

#include "agent/config.h"
#include "agent/front_process.h"
#include "protocol/base/test_must.h"
#include "protocol/message/reply.h"

namespace coprotect::harness {

using agent::ipc::Call;
using agent::ipc::Channel;
using agent::ipc::Reply;
using agent::ipc::Route;

TurnedAgent::TurnedAgent(Agent& agent, const std::filesystem::path& programs, protocol::SuiteId suite,
                         Holds holds)
    : agent_(agent),
      suite_(suite),
      identity_(identity_of(agent)),
      share_(holds == Holds::a_share ? std::optional(share_of(agent)) : std::nullopt),
      place_(programs, "coprotect-front") {
  agent_.stop();
  std::promise<void> inside;
  outward_ = std::jthread([this, &inside] {
    try {
      puppet_ = place_.accept();
      auto ends = must(Channel::make_pair());
      near_ = std::make_unique<Channel>(std::move(ends.first));
      const auto config = must(agent::Config::load(agent_.config()));
      front_ = Daemon::spawn(agent::front_arguments(System::program("coprotect-front"), config), {},
                             {{3, ends.second.get()}});
    } catch (...) {
      return inside.set_exception(std::current_exception());
    }
    homeward_ = std::jthread([this] { carry(*puppet_.channel, *near_, &TurnedAgent::meddle_with_reply); });
    inside.set_value();
    carry(*near_, *puppet_.channel, &TurnedAgent::meddle_with_call);
  });
  const bool started = agent_.start({.programs = programs});
  inside.get_future().get();
  if (!started) throw std::runtime_error("the agent does not start with the test inside");
}

TurnedAgent::~TurnedAgent() {
  agent_.kill();  // it would wait for its front to finish what runs
  if (near_) near_->shutdown();
  if (puppet_.channel) puppet_.channel->shutdown();
}

void TurnedAgent::tell(Lies lies) {
  const std::lock_guard lock(mutex_);
  lies_ = std::move(lies);
}

void TurnedAgent::carry(Channel& from, Channel& to, Bytes (TurnedAgent::*meddle)(Bytes)) {
  for (;;) {
    std::vector<Fd> files;
    auto frame = from.receive(&files);
    if (!frame) break;
    std::vector<int> descriptors;
    for (const auto& one : files) descriptors.push_back(one.get());
    if (!to.send((this->*meddle)(*std::move(frame)), descriptors)) break;
  }
  to.shutdown();
}

Bytes TurnedAgent::meddle_with_call(Bytes frame) {
  auto call = Call::parse(frame);
  if (!call) return frame;
  const std::lock_guard lock(mutex_);
  if (call->route == Route::handover || call->route == Route::recovery_share) {
    auto envelope = protocol::SignedRequest::parse_envelope(call->body);
    auto request = envelope ? std::move(*envelope).open(suite_) : std::move(envelope).error();
    if (!request) return frame;
    const auto* const step = std::get_if<protocol::HandoverBody>(&request->request.body);
    asked_.insert_or_assign(call->id, Asked{.step = step != nullptr ? std::optional(*step) : std::nullopt,
                                            .reply_key = request->request.reply_key,
                                            .hash = request->hash});
    return frame;
  }
  rounds_.insert_or_assign(call->id, call->route);
  if (!lies_.to_custodian) return frame;
  call->body = lies_.to_custodian(call->route, std::move(call->body));
  return call->encode();
}

Bytes TurnedAgent::meddle_with_reply(Bytes frame) {
  auto reply = Reply::parse(frame);
  if (!reply) return frame;
  const std::lock_guard lock(mutex_);
  const auto say = [&](Result<Bytes> answer) {
    reply->error.reset();
    reply->body.clear();
    if (answer)
      reply->body = *std::move(answer);
    else
      reply->error = std::move(answer).error();
    return reply->encode();
  };
  if (const auto asked = asked_.extract(reply->id)) {
    const auto& step = asked.mapped().step;
    std::optional<Result<Bytes>> lie;
    if (step && lies_.handover) lie = lies_.handover(step->step, step->payload);
    if (!step && lies_.recovery_share) lie = lies_.recovery_share();
    return lie ? say(seal(*lie, asked.mapped(), reply->request_id)) : frame;
  }
  const auto round = rounds_.extract(reply->id);
  if (!round || !lies_.to_tool || reply->error) return frame;
  return say(lies_.to_tool(round.mapped(), std::move(reply->body)));
}

Result<Bytes> TurnedAgent::seal(const Result<Bytes>& answer, const Asked& asked,
                                const std::string& request_id) const {
  ByteArray<8> id{};
  if (const auto bytes = from_hex(request_id); bytes && bytes->size() == id.size())
    std::ranges::copy(*bytes, id.begin());
  const auto sealed =
      answer ? protocol::SealedReply::answer(identity_, *answer, asked.reply_key, asked.hash, system_random())
             : protocol::SealedReply::refuse(identity_, protocol::Refusal::of(answer.error(), id),
                                             asked.reply_key, asked.hash, system_random());
  if (!sealed) return sealed.error();
  return sealed->encode();
}

}  // namespace coprotect::harness
