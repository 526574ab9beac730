#include "agent/service.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <iterator>
#include <new>
#include <thread>
#include <utility>

#include "agent/front_process.h"
#include "agent/ipc/messages.h"
#include "agent/log.h"
#include "agent/relay_process.h"
#include "agent/supervisor_notice.h"
#include "agent/tls_files.h"

namespace coprotect::agent {
namespace {

using namespace std::chrono_literals;

// Logs a problem that is new or has changed. Logs nothing when it is over.
void log_news(std::string& before, const std::string& of, const std::string& now,
              void (*log)(std::string_view)) {
  if (now == before) return;
  before = now;
  if (!now.empty()) log(of + ": " + now);
}

constexpr std::chrono::milliseconds kStopMargin = 5s;
constexpr std::chrono::milliseconds kSweep = 1s;
constexpr std::chrono::milliseconds kNoMemory = 20ms;  // until the next attempt
constexpr int kPings = 6;  // within the time after which a silent process is considered hung
constexpr std::chrono::milliseconds kFirstRound = 3s;
constexpr unsigned kStuckRequests = 4;  // the time of so many, and at least
constexpr std::chrono::seconds kLeastStuck = 60s;
constexpr std::size_t kMaxPeersJobs = 1024;
constexpr std::size_t kMaxPeersBytes = std::size_t{64} << 20;
// Larger requests take tens of milliseconds: 8 files in ffdhe3072, some 50 in p256.
constexpr std::size_t kShortBody = std::size_t{16} << 10;
// Small, so that other programs on a busy host do not starve it.
constexpr int kLongNiceness = 2;

void log_answer(const std::string& request_id, ipc::Route route, const std::optional<Error>& error,
                std::chrono::steady_clock::time_point received) {
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - received);
  const std::string line = "request " + request_id + ": " + std::string(ipc::route_name(route)) + ": " +
                           (error ? std::string(code_name(error->code())) + ": " + error->message() : "ok") +
                           ", " + std::to_string(took.count()) + " ms";
  error ? log_warning(line) : log_info(line);
}

// One more than a single client can use.
unsigned worker_count() {
  return 1 + std::max(2u, std::thread::hardware_concurrency());
}

// True for a large request, a round of a ceremony with proofs for every party, and one that reads much.
bool takes_long(const ipc::Call& call) {
  switch (call.route) {
    case ipc::Route::open:
    case ipc::Route::status:
    case ipc::Route::parameters:
    case ipc::Route::reveal:
    case ipc::Route::deal:
    case ipc::Route::prepare:
    case ipc::Route::store_blob:
    case ipc::Route::activate:
    case ipc::Route::abort:
    case ipc::Route::join:
    case ipc::Route::handover:
    case ipc::Route::log:
      return true;
    default:
      return call.body.size() > kShortBody;
  }
}

// The front enforces the same limits, but it is not trusted. A peer brings the requests of many clients.
// Agents are one tenant here (turn_of()); their waiting requests get room beyond the most that clients may
// have.
FairWorkers::Limits waiting_limits(const Config::Limits& limits) {
  constexpr unsigned kMib = 20;
  return {.jobs = std::size_t{limits.requests} + limits.requests_per_tenant,
          .bytes = (std::size_t{limits.body_mib} + limits.body_mib_per_tenant) << kMib,
          .jobs_of_tenant = limits.requests_per_tenant,
          .bytes_of_tenant = std::size_t{limits.body_mib_per_tenant} << kMib,
          .jobs_of_client = std::max(limits.requests_per_client, limits.requests_per_peer),
          .bytes_of_client = std::size_t{limits.body_mib_per_client} << kMib};
}

// A tenant gets a quarter of the relay's threads: a peer that does not answer blocks one for each request.
Chains::Limits chain_limits(const Config::Limits& limits) {
  constexpr std::size_t kMostOfTenant = 64;
  return {.of_tenant = std::min<std::size_t>(limits.requests_per_tenant, kMostOfTenant),
          .of_client = std::max(limits.requests_per_client, limits.requests_per_peer)};
}

// The most files that a child may open: it has this process's hard limit.
std::uint64_t files_of_a_child() {
  rlimit files{};
  invariant(getrlimit(RLIMIT_NOFILE, &files) == 0);
  return files.rlim_max;
}

std::string make_request_id() {
  ByteArray<8> id;
  system_random().fill(id);
  return to_hex(id);
}

// Uses the CA that the front verified, not what a certificate says of itself.
FairWorkers::Turn turn_of(const ipc::Call& call) {
  const auto certificate = protocol::Certificate::parse_der(call.peer_certificate);
  if (!certificate) return {};
  return {.tenant = call.authority, .client = to_hex(certificate->key_hash())};
}

}  // namespace

Service::Service(const Config& config, std::filesystem::path programs, custodian::Custodian& custodian,
                 const Starter& starter)
    : config_(config),
      limits_(config.limits),
      programs_(std::move(programs)),
      custodian_(custodian),
      starter_(starter),
      chains_([this](const Chains::Waiting& waiting) { finish(waiting); }, chain_limits(config.limits)),
      exchanges_(custodian, peers_workers_, config.peers_every),
      peers_workers_(1, kMaxPeersJobs, kMaxPeersBytes),
      short_(worker_count(), waiting_limits(config.limits)),
      long_(worker_count(), waiting_limits(config.limits), kLongNiceness),
      health_(1, waiting_limits(config.limits)),
      limit_report_(config.limits, LimitReport::usual_file(), [this] { return uses_of_own(); }),
      status_report_(config.state() / kStatusFile,
                     [this] { return custodian_.overview(limit_report_.uses()); }),
      ready_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      front_("coprotect-front", [this] { return make_front(); }),
      relay_("coprotect-relay", [this] { return make_relay(); }),
      watchdog_(watchdog_period()) {
  custodian_.on_trust_change([this] { send_trust(); });
}

Result<Fd> Service::take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, number);
  Fd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  const int failure = pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (!signals || failure != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
    return Error(Code::internal, "cannot take over signals");
  return signals;
}

Status Service::run(const Fd& signals) {
  // Before any request is served: a restored store must be recognised as one.
  if (auto started = relay_.start(); !started) {
    log_error(started.error().message());
  } else {
    exchanges_.ask_when_due();
    exchanges_.await_first_round(kFirstRound);
  }
  if (auto started = front_.start(); !started) return started;
  const std::jthread sweeper([this](const std::stop_token& stop) { sweep_custodian(stop); });
  for (;;) {
    try {
      if (const auto done = turn(signals)) return *done;
    } catch (const std::bad_alloc&) {
      log_error("no memory for what has to be looked after; it is tried again");
      std::this_thread::sleep_for(kNoMemory);
    }
  }
}

// One iteration of run(); a value when the service is over.
std::optional<Status> Service::turn(const Fd& signals) {
  feed_watchdog();
  std::array<pollfd, 5> events{pollfd{signals.get(), POLLIN, 0}, pollfd{ready_event_.get(), POLLIN, 0},
                               pollfd{front_.handle(), POLLIN, 0}, pollfd{relay_.handle(), POLLIN, 0},
                               pollfd{starter_.handle(), POLLIN, 0}};
  const auto tick =
      watchdog_ ? std::min(kSweep, std::chrono::ceil<std::chrono::milliseconds>(*watchdog_ / 4)) : kSweep;
  const auto wait = exchanges_.due_within(chains_.due_within(relay_.due_within(front_.due_within(tick))));
  if (poll(events.data(), events.size(), static_cast<int>(wait.count())) < 0 && errno != EINTR)
    return Status(Error(Code::internal, std::string("poll: ") + std::strerror(errno)));

  if (starter_.lost() || events[4].revents != 0)
    return Status(Error(Code::unavailable, "coprotect-starter is gone, and with it what it started"));
  signalfd_siginfo info{};
  while (read(signals.get(), &info, sizeof info) == sizeof info) on_signal(static_cast<int>(info.ssi_signo));
  std::uint64_t ready = 0;
  if (read(ready_event_.get(), &ready, sizeof ready) == sizeof ready) on_ready();
  if (events[2].revents != 0) {
    callers_.all_gone(front_.process()->channel());
    limit_report_.front_ended();
    front_.ended(stopping_);
    if (stopping_) return Status(Done{});
    if (!was_ready_) return Status(Error(Code::unavailable, "coprotect-front did not become ready"));
  }
  if (events[3].revents != 0) {
    relay_.ended(false);
    chains_.use(nullptr);
    exchanges_.use(nullptr);
  }
  if (stopping_ && (front_.process() == nullptr || Clock::now() >= stop_deadline_)) return Status(Done{});
  if (!stopping_) front_.restart_when_due();
  relay_.restart_when_due();  // also while its running requests finish
  chains_.sweep();
  exchanges_.ask_when_due();
  return std::nullopt;
}

void Service::sweep_custodian(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  std::string erasure, token, cut, status;  // as last logged
  while (!wake.wait_for(lock, stop, kSweep, [&] { return stop.stop_requested(); })) {
    try {
      custodian_.sweep();
      limit_report_.sweep();
      log_news(erasure, "erasure", custodian_.not_erased(), log_warning);
      log_news(token, "token", custodian_.token_notice(), log_error);
      log_news(cut, "archive of the log", custodian_.not_cut(), log_warning);
      log_news(status, "status", status_report_.sweep(), log_warning);
    } catch (const std::exception&) {
      log_error("no memory for what is done once a second");
    }
    swept_ = Clock::now();
  }
}

std::vector<LimitUse> Service::uses_of_own() const {
  std::vector<LimitUse> all = short_.uses("short");
  std::ranges::move(long_.uses("long"), std::back_inserter(all));
  std::ranges::move(chains_.uses(), std::back_inserter(all));
  if (auto caps = custodian_.cap_uses()) std::ranges::move(*caps, std::back_inserter(all));
  return all;
}

// Jobs end by themselves: the front gives a request up after `request_seconds`, and no call to a token takes
// longer than some seconds. A job that takes several times as long will never end.
void Service::feed_watchdog() {
  const auto now = Clock::now();
  if (!watchdog_ || now - fed_ < std::min<std::chrono::microseconds>(kSweep, *watchdog_ / 4)) return;
  const std::chrono::seconds limit =
      std::max(kLeastStuck, kStuckRequests * std::chrono::seconds(limits_.request_seconds));
  for (const FairWorkers* const workers : {&short_, &long_, &health_})
    if (workers->stuck(limit)) return;
  if (now - swept_.load() > limit) return;
  fed_ = now;
  notify_supervisor("WATCHDOG=1");
}

Result<std::unique_ptr<ChildProcess>> Service::make_front() {
  auto front = start_front(front_arguments(programs_ / "coprotect-front", config_),
                           {.call = [this](std::shared_ptr<ipc::Channel> channel,
                                           ipc::Call call) { take(std::move(channel), std::move(call)); },
                            .ready =
                                [this](ipc::Ready) {
                                  const std::uint64_t one = 1;
                                  (void)!write(ready_event_.get(), &one,
                                               sizeof one);  // full only if a million are unread
                                },
                            .given_up = [this](const std::shared_ptr<ipc::Channel>& channel,
                                               ipc::GivenUp call) { callers_.gone(channel, call.id); },
                            .usage = [this](const ipc::Usage& usage) { limit_report_.heard(usage); }});
  if (!front) return front;
  // If the front is already gone, its end is noticed.
  if (!(*front)->channel()->send(limits_.encode())) (*front)->channel()->shutdown();
  {
    const std::lock_guard lock(trust_mutex_);
    trust_channel_ = (*front)->channel();
  }
  send_trust();
  if (auto pinged = (*front)->ping(pings()); !pinged) return std::move(pinged).error().in("front");
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
  if (auto sent = send_tls_files(*(*relay)->channel(), config_.tls); !sent)
    return std::move(sent).error().in("relay");
  if (auto pinged = (*relay)->ping(pings()); !pinged) return std::move(pinged).error().in("relay");
  chains_.use((*relay)->channel());
  exchanges_.use((*relay)->channel());
  return relay;
}

ChildProcess::Pings Service::pings() const {
  const std::chrono::milliseconds limit = std::chrono::seconds(limits_.hang_seconds);
  return {.every = limit / kPings, .answered_within = limit};
}

void Service::send_trust() {
  const std::lock_guard lock(trust_mutex_);
  if (trust_channel_ == nullptr) return;
  if (!trust_channel_->send(custodian_.trust().encode())) trust_channel_->shutdown();
}

void Service::take(std::shared_ptr<ipc::Channel> channel, ipc::Call call) {
  const auto received = Clock::now();
  FairWorkers& workers = call.route == ipc::Route::health ? health_ : takes_long(call) ? long_ : short_;
  const auto caller = callers_.add(channel, call.id, received + std::chrono::milliseconds(call.budget_ms));
  const auto taken = workers.submit(turn_of(call), call.body.size(), [this, channel, call, received, caller] {
    answer(channel, call, received, *caller);
  });
  if (taken) return;
  const ipc::Reply refused{
      .id = call.id, .error = taken.error(), .request_id = make_request_id(), .body = {}};
  if (!channel->send(refused.encode())) channel->shutdown();
}

// Returns an answer even when out of memory.
custodian::Answer Service::answer_of(const ipc::Call& call, const Interest& caller) {
  try {
    return custodian_.answer(call, caller);
  } catch (const std::bad_alloc&) {
    return {.reply = {.id = call.id,
                      .error = Error(Code::unavailable, "the agent has no memory left"),
                      .request_id = make_request_id(),
                      .body = {}},
            .chain = std::nullopt,
            .refused = std::nullopt};
  }
}

void Service::answer(const std::shared_ptr<ipc::Channel>& channel, const ipc::Call& call,
                     Clock::time_point received, const Interest& caller) {
  if (caller.ended()) return;  // nobody waits for the answer
  custodian::Answer answer = answer_of(call, caller);
  // Nobody waits for other agents' answers either.
  if (!answer.chain || caller.ended()) {
    log_answer(answer.reply.request_id, call.route, answer.refused ? answer.refused : answer.reply.error,
               received);
    if (!channel->send(answer.reply.encode())) channel->shutdown();
    return;
  }
  const auto deadline =
      received + std::min(std::chrono::milliseconds(call.budget_ms), answer.chain->budget());
  chains_.begin({.front = channel,
                 .reply = std::move(answer.reply),
                 .refused = std::move(answer.refused),
                 .chain = *std::move(answer.chain),
                 .received = received,
                 .deadline = deadline,
                 .turn = turn_of(call)});
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
  if (number == SIGUSR1) {
    limit_report_.ask();
    return;
  }
  if (stopping_) stop_deadline_ = Clock::now();  // a second request stops immediately
  if (!stopping_) stop();
}

void Service::reload_limits() {
  const auto config = Config::load(config_.file);
  if (!config) return log_error("the old limits stay: " + config.error().message());
  Config as_before = *config;
  as_before.limits = config_.limits;
  as_before.policy.requests = config_.policy.requests;
  if (as_before != config_)
    log_warning("\"" + config_.file.string() +
                "\" has changes that count from the next start on (docs/CONFIG.md)");
  // The next front would not start if the limits exceed what this process can pass on to it.
  if (auto fit = config->limits.fit_into(files_of_a_child()); !fit)
    return log_error("the old limits stay: " + fit.error().message());
  limits_ = config->limits;
  limit_report_.use(limits_);
  for (FairWorkers* const workers : {&short_, &long_, &health_}) workers->use(waiting_limits(limits_));
  chains_.use(chain_limits(limits_));
  if (auto used = custodian_.use(config->policy.requests); !used)
    log_error("the old daily caps stay: " + used.error().message());
  if (front_.process() == nullptr) return;  // the next front gets them
  ipc::Channel& channel = *front_.process()->channel();
  if (!channel.send(limits_.encode())) channel.shutdown();  // its end will be seen
}

void Service::reload() {
  if (stopping_) return;
  log_info("reloading the TLS certificate and the limits");
  notify_reloading();
  reload_limits();
  // A front that is not running reads the certificate when it starts, and READY=1 follows then.
  if (front_.process() != nullptr) {
    if (auto sent = send_tls_files(*front_.process()->channel(), config_.tls); !sent) {
      log_error("the old certificate stays: " + sent.error().message());
      notify_supervisor("READY=1");
      return;
    }
  }
  if (relay_.process() == nullptr) return;  // the next relay reads the new one
  if (auto sent = send_tls_files(*relay_.process()->channel(), config_.tls); !sent)
    log_error("relay: " + sent.error().message());
}

void Service::stop() {
  log_info("stopping");
  notify_supervisor("STOPPING=1");
  stopping_ = true;
  stop_deadline_ = Clock::now() + std::chrono::seconds(limits_.request_seconds) + kStopMargin;
  ChildProcess* const front = front_.process();
  if (front != nullptr && !front->channel()->send(ipc::encode_stop())) stop_deadline_ = Clock::now();
}

}  // namespace coprotect::agent
