#include "agent/service.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/front_process.h"
#include "agent/ipc/messages.h"
#include "agent/log.h"
#include "agent/relay_process.h"
#include "agent/supervisor_notice.h"

namespace coprotect::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kStopMargin = 5s;
constexpr std::chrono::milliseconds kSweep = 1s;
constexpr std::chrono::milliseconds kFirstRound = 3s;
constexpr std::size_t kMaxWaitingCalls = 1024;
constexpr std::size_t kMaxWaitingBytes = std::size_t{64} << 20;

void log_answer(const std::string& request_id, ipc::Route route, const std::optional<Error>& error,
                std::chrono::steady_clock::time_point received) {
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - received);
  const std::string line = "request " + request_id + ": " + std::string(ipc::route_name(route)) + ": " +
                           (error ? std::string(code_name(error->code())) + ": " + error->message() : "ok") +
                           ", " + std::to_string(took.count()) + " ms";
  error ? log_warning(line) : log_info(line);
}

unsigned worker_count() {
  return std::max(2u, std::thread::hardware_concurrency());
}

}  // namespace

Service::Service(const Config& config, std::filesystem::path programs, custodian::Custodian& custodian)
    : config_(config),
      programs_(std::move(programs)),
      custodian_(custodian),
      chains_([this](const Chains::Waiting& waiting) { finish(waiting); }),
      exchanges_(custodian, workers_, config.peers_every),
      workers_(worker_count(), kMaxWaitingCalls, kMaxWaitingBytes),
      ready_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      front_("coprotect-front", [this] { return make_front(); }),
      relay_("coprotect-relay", [this] { return make_relay(); }) {
  custodian_.on_trust_change([this] { send_trust(); });
}

Result<Fd> Service::take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  Fd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  const int failure = pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (!signals || failure != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
    return Error(Code::internal, "cannot take over signals");
  return signals;
}

Status Service::run(const Fd& signals) {
  // Before anybody is served: a store that was put back shall be known for one.
  if (auto started = relay_.start(); !started) {
    log_error(started.error().message());
  } else {
    exchanges_.ask_when_due();
    exchanges_.await_first_round(kFirstRound);
  }
  if (auto started = front_.start(); !started) return started;
  for (Clock::time_point swept = Clock::now();;) {
    std::array<pollfd, 4> events{pollfd{signals.get(), POLLIN, 0}, pollfd{ready_event_.get(), POLLIN, 0},
                                 pollfd{front_.handle(), POLLIN, 0}, pollfd{relay_.handle(), POLLIN, 0}};
    const auto wait = exchanges_.due_within(chains_.due_within(relay_.due_within(front_.due_within(kSweep))));
    if (poll(events.data(), events.size(), static_cast<int>(wait.count())) < 0 && errno != EINTR)
      return Error(Code::internal, std::string("poll: ") + std::strerror(errno));

    signalfd_siginfo info{};
    while (read(signals.get(), &info, sizeof info) == sizeof info)
      on_signal(static_cast<int>(info.ssi_signo));
    std::uint64_t ready = 0;
    if (read(ready_event_.get(), &ready, sizeof ready) == sizeof ready) on_ready();
    if (events[2].revents != 0) {
      front_.ended(stopping_);
      if (stopping_) return Done{};
      if (!was_ready_) return Error(Code::unavailable, "coprotect-front did not become ready");
    }
    if (events[3].revents != 0) {
      relay_.ended(false);
      chains_.use(nullptr);
      exchanges_.use(nullptr);
    }
    if (stopping_ && (front_.process() == nullptr || Clock::now() >= stop_deadline_)) return Done{};
    if (!stopping_) front_.restart_when_due();
    relay_.restart_when_due();  // also while requests that it carries are finished
    chains_.sweep();
    exchanges_.ask_when_due();
    if (Clock::now() - swept >= kSweep) {
      custodian_.sweep();
      swept = Clock::now();
      if (const std::string& now = custodian_.not_erased(); now != not_erased_) {
        not_erased_ = now;
        if (!now.empty()) log_warning("erasure: " + now);
      }
    }
  }
}

Result<std::unique_ptr<ChildProcess>> Service::make_front() {
  auto front = start_front(
      front_arguments(programs_ / "coprotect-front", config_),
      {.call =
           [this](std::shared_ptr<ipc::Channel> channel, ipc::Call call) {
             const std::size_t weight = call.body.size();
             workers_.submit(weight, [this, channel = std::move(channel), call = std::move(call),
                                      received = Clock::now()] { answer(channel, call, received); });
           },
       .ready =
           [this](ipc::Ready) {
             const std::uint64_t one = 1;
             (void)!write(ready_event_.get(), &one, sizeof one);  // full only if a million are unread
           }});
  if (!front) return front;
  {
    const std::lock_guard lock(trust_mutex_);
    trust_channel_ = (*front)->channel();
  }
  send_trust();
  return front;
}

Result<std::unique_ptr<ChildProcess>> Service::make_relay() {
  auto relay = start_relay(programs_ / "coprotect-relay", [this](ipc::Forwarded answer) {
    if (Chains::owns(answer.id))
      chains_.answered(std::move(answer));
    else
      exchanges_.answered(std::move(answer));
  });
  if (!relay) return relay;
  if (auto sent = send_tls_files(*(*relay)->channel()); !sent) return std::move(sent).error().in("relay");
  chains_.use((*relay)->channel());
  exchanges_.use((*relay)->channel());
  return relay;
}

void Service::send_trust() {
  const std::lock_guard lock(trust_mutex_);
  if (trust_channel_ == nullptr) return;
  if (!trust_channel_->send(custodian_.trust().encode())) trust_channel_->shutdown();
}

void Service::answer(const std::shared_ptr<ipc::Channel>& channel, const ipc::Call& call,
                     Clock::time_point received) {
  // The front has given up a call whose time is over: nobody would get the answer.
  const std::chrono::milliseconds budget(call.budget_ms);
  if (Clock::now() - received >= budget) return;
  custodian::Answer answer = custodian_.answer(call);
  if (!answer.chain) {
    log_answer(answer.reply.request_id, call.route, answer.refused ? answer.refused : answer.reply.error,
               received);
    if (!channel->send(answer.reply.encode())) channel->shutdown();
    return;
  }
  const auto deadline = received + std::min(budget, answer.chain->budget());
  chains_.begin({.front = channel,
                 .reply = std::move(answer.reply),
                 .refused = std::move(answer.refused),
                 .chain = *std::move(answer.chain),
                 .received = received,
                 .deadline = deadline});
}

void Service::finish(const Chains::Waiting& waiting) {
  ipc::Reply reply = waiting.reply;
  reply.body = waiting.chain.list();
  log_answer(reply.request_id, ipc::Route::decrypt, waiting.refused, waiting.received);
  if (!waiting.front->send(reply.encode())) waiting.front->shutdown();
}

void Service::on_ready() {
  if (!was_ready_ || !front_.stable()) log_info("listening on " + config_.listen);
  was_ready_ = true;
  if (!stopping_) notify_supervisor("READY=1");
}

void Service::on_signal(int number) {
  if (number == SIGHUP) return reload();
  if (stopping_) stop_deadline_ = Clock::now();  // asked twice: at once
  if (!stopping_) stop();
}

Status Service::send_tls_files(ipc::Channel& channel) const {
  const Fd certificate(open(config_.tls.certificate.c_str(), O_RDONLY | O_CLOEXEC));
  const Fd key(open(config_.tls.key.c_str(), O_RDONLY | O_CLOEXEC));
  if (!certificate || !key)
    return Error(Code::not_found,
                 "cannot open the TLS certificate or its key: " + std::string(std::strerror(errno)));
  const std::array files{certificate.get(), key.get()};
  if (!channel.send(ipc::encode_reload(), files)) channel.shutdown();  // its end will be seen
  return Done{};
}

void Service::reload() {
  if (front_.process() == nullptr || stopping_) return;
  log_info("reloading the TLS certificate");
  notify_reloading();
  if (auto sent = send_tls_files(*front_.process()->channel()); !sent) {
    log_error("the old certificate stays: " + sent.error().message());
    notify_supervisor("READY=1");
    return;
  }
  if (relay_.process() == nullptr) return;  // its next life reads the new one
  if (auto sent = send_tls_files(*relay_.process()->channel()); !sent)
    log_error("relay: " + sent.error().message());
}

void Service::stop() {
  log_info("stopping");
  notify_supervisor("STOPPING=1");
  stopping_ = true;
  stop_deadline_ = Clock::now() + std::chrono::seconds(config_.limits.request_seconds) + kStopMargin;
  ChildProcess* const front = front_.process();
  if (front != nullptr && !front->channel()->send(ipc::encode_stop())) stop_deadline_ = Clock::now();
}

}  // namespace coprotect::agent
