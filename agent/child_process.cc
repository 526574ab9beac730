#include "agent/child_process.h"

#include <sys/wait.h>

#include <new>
#include <system_error>
#include <utility>

#include "agent/ipc/messages.h"
#include "agent/log.h"
#include "hsm/spawn.h"

namespace coprotect::agent {
namespace {

constexpr int kChannel = 3;  // the child's number for its end
// A process that reads nothing for this long is given up; the workers must not wait for it.
constexpr std::chrono::seconds kSendLimit(10);

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(std::string name,
                                                          const std::vector<std::string>& arguments,
                                                          Take take) {
  auto ends = ipc::Channel::make_pair();
  if (!ends) return std::move(ends).error();
  auto channel = std::make_shared<ipc::Channel>(std::move(ends->first));
  if (auto limited = channel->limit_send(kSendLimit); !limited) return std::move(limited).error();
  auto spawned = hsm::spawn(arguments.front(), arguments, {}, ends->second.get(), kChannel);
  if (!spawned) return std::move(spawned).error();
  std::unique_ptr<ChildProcess> process(
      new ChildProcess(std::move(name), *std::move(spawned), std::move(channel)));
  process->reader_ = std::jthread([raw = process.get(), take = std::move(take)] { raw->read(take); });
  return process;
}

ChildProcess::~ChildProcess() {
  pinger_.request_stop();
  channel_->shutdown();
  if (reaped_) return;
  kill();
  reap();
}

// After it is reaped, its pid may belong to another process.
void ChildProcess::kill() {
  const std::lock_guard lock(end_mutex_);
  if (!reaped_) hsm::kill_group(process_);
}

std::string ChildProcess::reap() {
  std::optional<int> status;
  {
    const std::lock_guard lock(end_mutex_);
    status = hsm::reap(process_);
    reaped_ = true;
  }
  channel_->shutdown();
  if (!status) return "ended";
  if (WIFSIGNALED(*status)) return "was killed by signal " + std::to_string(WTERMSIG(*status));
  return "ended with status " + std::to_string(WEXITSTATUS(*status));
}

void ChildProcess::read(const Take& take) {
  while (read_one(take)) {
  }
}

// False once there is nothing more to read.
bool ChildProcess::read_one(const Take& take) {
  std::optional<Result<Bytes>> frame;
  try {
    frame = channel_->receive();
    if (!*frame && frame->error().code() == Code::unavailable) return false;
    if (*frame && (take_pong(**frame) || take(channel_, **frame))) return true;
    log_error("the " + name_ + " sends what no " + name_ + " sends; it is ended");
  } catch (const std::bad_alloc&) {
    // Out of memory. A complete frame is skipped, and its sender times out. After part of a frame, nothing
    // that follows can be parsed.
    if (frame) return true;
  }
  channel_->shutdown();
  kill();
  return false;
}

bool ChildProcess::take_pong(ByteView frame) {
  const auto pong = ipc::Ping::parse(ipc::Kind::pong, frame);
  const std::lock_guard lock(ping_mutex_);
  if (!pong || awaited_ != pong->number) return false;
  awaited_.reset();
  ++answered_pings_;
  pong_came_.notify_all();
  return true;
}

Status ChildProcess::ping(const Pings& pings) {
  try {
    pinger_ = std::jthread([this, pings](const std::stop_token& stop) { run_pings(stop, pings); });
  } catch (const std::system_error&) {
    return Error(Code::unavailable, "the system gives no thread");
  }
  return Done{};
}

// Runs in its own thread: a hanging process stops reading, and a send to it blocks for a while.
void ChildProcess::run_pings(const std::stop_token& stop, const Pings& pings) {
  std::unique_lock lock(ping_mutex_);
  for (std::uint64_t number = 1;; ++number) {
    pong_came_.wait_for(lock, stop, pings.every, [] { return false; });
    if (stop.stop_requested()) return;
    awaited_ = number;
    const auto deadline = std::chrono::steady_clock::now() + pings.answered_within;
    lock.unlock();
    try {
      if (!channel_->send(ipc::Ping{number}.encode(ipc::Kind::ping))) channel_->shutdown();
    } catch (const std::bad_alloc&) {  // no memory for a ping: not the child's fault
      lock.lock();
      awaited_.reset();
      continue;
    }
    lock.lock();
    if (pong_came_.wait_until(lock, stop, deadline, [&] { return !awaited_; })) continue;
    if (stop.stop_requested()) return;
    break;
  }
  const auto limit = std::chrono::duration_cast<std::chrono::seconds>(pings.answered_within);
  log_error("the " + name_ + " has not answered for " + std::to_string(limit.count()) + " s; it is killed");
  kill();
}

}  // namespace coprotect::agent
