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

#include "agent/ipc/messages.h"
#include "agent/log.h"
#include "agent/supervisor_notice.h"

namespace coprotect::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kFirstBackoff = 100ms;
constexpr std::chrono::milliseconds kLongestBackoff = 10s;
constexpr std::chrono::milliseconds kStable = 60s;  // a front that lived this long is restarted at once
constexpr std::chrono::milliseconds kStopMargin = 5s;
constexpr std::chrono::milliseconds kSweep = 1s;
constexpr std::size_t kMaxWaitingCalls = 1024;
constexpr std::size_t kMaxWaitingBytes = std::size_t{64} << 20;

unsigned worker_count() {
  return std::max(2u, std::thread::hardware_concurrency());
}

}  // namespace

Service::Service(const Config& config, std::filesystem::path front, custodian::Custodian& custodian)
    : config_(config),
      front_executable_(std::move(front)),
      custodian_(custodian),
      workers_(worker_count(), kMaxWaitingCalls, kMaxWaitingBytes),
      ready_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      backoff_(kFirstBackoff) {
  custodian_.on_trust_change([this] { send_trust(); });
}

Result<ipc::Fd> Service::take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  ipc::Fd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  const int failure = pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (!signals || failure != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
    return Error(Code::internal, "cannot take over signals");
  return signals;
}

Status Service::run(const ipc::Fd& signals) {
  if (auto started = start_front(); !started) return started;
  for (Clock::time_point swept = Clock::now();;) {
    std::array<pollfd, 3> events{pollfd{signals.get(), POLLIN, 0}, pollfd{ready_event_.get(), POLLIN, 0},
                                 pollfd{front_ ? front_->handle() : -1, POLLIN, 0}};
    const auto wait = front_ ? kSweep : std::min(kSweep, backoff_);
    if (poll(events.data(), events.size(), static_cast<int>(wait.count())) < 0 && errno != EINTR)
      return Error(Code::internal, std::string("poll: ") + std::strerror(errno));

    signalfd_siginfo info{};
    while (read(signals.get(), &info, sizeof info) == sizeof info)
      on_signal(static_cast<int>(info.ssi_signo));
    std::uint64_t ready = 0;
    if (read(ready_event_.get(), &ready, sizeof ready) == sizeof ready) on_ready();
    if (events[2].revents != 0) {
      front_ended();
      if (stopping_) return Done{};
      if (!was_ready_) return Error(Code::unavailable, "coprotect-front did not become ready");
    }
    if (stopping_ && (!front_ || Clock::now() >= stop_deadline_)) return Done{};
    restart_front_when_due();
    if (Clock::now() - swept >= kSweep) {
      custodian_.sweep();
      swept = Clock::now();
    }
  }
}

Status Service::start_front() {
  auto front = FrontProcess::start(
      front_arguments(front_executable_, config_),
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
  if (!front) return std::move(front).error();
  front_ = std::move(*front);
  front_started_ = Clock::now();
  {
    const std::lock_guard lock(trust_mutex_);
    trust_channel_ = front_->channel();
  }
  send_trust();
  return Done{};
}

void Service::front_ended() {
  const std::string end = front_->reap();
  front_.reset();
  if (stopping_) return;
  if (Clock::now() - front_started_ >= kStable) backoff_ = kFirstBackoff;
  log_error("coprotect-front " + end);
  restart_at_ = Clock::now() + backoff_;
  backoff_ = std::min(2 * backoff_, kLongestBackoff);
}

void Service::restart_front_when_due() {
  if (front_ || stopping_ || Clock::now() < restart_at_) return;
  if (auto started = start_front(); !started) {
    log_error(started.error().message());
    restart_at_ = Clock::now() + backoff_;
    backoff_ = std::min(2 * backoff_, kLongestBackoff);
  }
}

void Service::send_trust() {
  const std::lock_guard lock(trust_mutex_);
  if (trust_channel_ == nullptr) return;
  if (!trust_channel_->send(custodian_.trust().encode())) trust_channel_->shutdown();
}

void Service::answer(const std::shared_ptr<ipc::Channel>& channel, const ipc::Call& call,
                     Clock::time_point received) {
  // The front has given up a call whose time is over: nobody would get the answer.
  if (Clock::now() - received >= std::chrono::milliseconds(call.budget_ms)) return;
  const ipc::Reply reply = custodian_.answer(call);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - received);
  const std::string line =
      "request " + reply.request_id + ": " + std::string(ipc::route_name(call.route)) + ": " +
      (reply.error ? std::string(code_name(reply.error->code())) + ": " + reply.error->message() : "ok") +
      ", " + std::to_string(took.count()) + " ms";
  reply.error ? log_warning(line) : log_info(line);
  if (!channel->send(reply.encode())) channel->shutdown();
}

void Service::on_ready() {
  if (!was_ready_ || Clock::now() - front_started_ < kStable) log_info("listening on " + config_.listen);
  was_ready_ = true;
  if (!stopping_) notify_supervisor("READY=1");
}

void Service::on_signal(int number) {
  if (number == SIGHUP) return reload();
  if (stopping_) stop_deadline_ = Clock::now();  // asked twice: at once
  if (!stopping_) stop();
}

void Service::reload() {
  if (!front_ || stopping_) return;
  log_info("reloading the TLS certificate");
  notify_reloading();
  const ipc::Fd certificate(open(config_.tls.certificate.c_str(), O_RDONLY | O_CLOEXEC));
  const ipc::Fd key(open(config_.tls.key.c_str(), O_RDONLY | O_CLOEXEC));
  if (!certificate || !key) {
    log_error("the old certificate stays: cannot open the new one or its key");
    notify_supervisor("READY=1");
    return;
  }
  const std::array files{certificate.get(), key.get()};
  if (!front_->channel()->send(ipc::encode_reload(), files)) front_->channel()->shutdown();
}

void Service::stop() {
  log_info("stopping");
  notify_supervisor("STOPPING=1");
  stopping_ = true;
  stop_deadline_ = Clock::now() + std::chrono::seconds(config_.limits.request_seconds) + kStopMargin;
  if (front_ && !front_->channel()->send(ipc::encode_stop())) stop_deadline_ = Clock::now();
}

}  // namespace coprotect::agent
