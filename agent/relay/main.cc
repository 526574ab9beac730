// coprotect-relay: asks other parties' agents on behalf of coprotect-agent, which starts it with their
// channel as descriptor 3. It talks only to agents that the custodian names by URL and identity. Its only
// secret is the TLS key.

#include <netdb.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>

#include "agent/ipc/channel.h"
#include "agent/log.h"
#include "agent/relay/peers.h"
#include "agent/sandbox/sandbox.h"
#include "agent/workers.h"
#include "protocol/base/arena.h"
#include "protocol/base/dead_stack.h"

namespace coprotect::agent::relay {
namespace {

constexpr int kChannel = 3;
constexpr unsigned kThreads = 256;         // most of them wait for peers
constexpr std::size_t kMaxWaiting = 4096;  // more than the custodian sends at a time, so that it never waits
constexpr std::size_t kMaxWaitingBytes = std::size_t{256} << 20;

// Inherits no environment, and dies with the parent.
Status confine() {
  clearenv();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);  // systemd sends it to all processes of a unit; the agent says when to stop
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return Error(Code::internal, "cannot follow the agent's end");
  return Done{};
}

// The files that glibc reads to resolve a name. resolv.conf is often a link into the folder of a service that
// replaces the file.
std::vector<std::filesystem::path> resolver_files() {
  std::vector<std::filesystem::path> files = {"/etc/resolv.conf", "/etc/hosts",    "/etc/nsswitch.conf",
                                              "/etc/host.conf",   "/etc/gai.conf", "/etc/services"};
  std::error_code none;
  const auto real = std::filesystem::canonical("/etc/resolv.conf", none);
  if (!none && real.parent_path() != "/etc") files.push_back(real.parent_path());
  return files;
}

// Makes libraries read their files before the sandbox closes.
void warm_up() {
  addrinfo* list = nullptr;
  if (getaddrinfo("localhost", "443", nullptr, &list) == 0) freeaddrinfo(list);
  client::prepare_agent_clients();
  protocol::SigningKey::prepare();
}

Result<std::shared_ptr<const TlsIdentity>> identity_from(const std::vector<Fd>& files) {
  if (files.size() != 2) return Error(Code::malformed, "two files are needed");
  return TlsIdentity::read(files[0].get(), files[1].get());
}

// The error's message without its code, which is sent separately.
Error bare(const Error& error) {
  const std::string prefix = std::string(code_name(error.code())) + ": ";
  const std::string& message = error.message();
  return {error.code(), message.starts_with(prefix) ? message.substr(prefix.size()) : message};
}

// The requests under way and their deadlines. Each ends by itself (libcurl's timeouts): one that is long
// overdue shows that the threads hang.
class UnderWay {
 public:
  using Clock = Peers::Clock;
  class Entry {
   public:
    Entry(UnderWay& all, Clock::time_point deadline) : all_(all) {
      const std::lock_guard lock(all_.mutex_);
      place_ = all_.deadlines_.insert(deadline);
    }
    ~Entry() {
      const std::lock_guard lock(all_.mutex_);
      all_.deadlines_.erase(place_);
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    UnderWay& all_;
    std::multiset<Clock::time_point>::iterator place_;
  };

  bool goes_on() const {
    // The system's resolver may exceed its time.
    constexpr std::chrono::seconds kStuck(60);
    const std::lock_guard lock(mutex_);
    return deadlines_.empty() || Clock::now() - *deadlines_.begin() < kStuck;
  }

 private:
  mutable std::mutex mutex_;
  std::multiset<Clock::time_point> deadlines_;
};

void carry(ipc::Channel& channel, Peers& peers, const ipc::Forward& forward,
           Peers::Clock::time_point deadline) {
  const WipesDeadStack handshake;
  ipc::Forwarded answer{.id = forward.id, .error = std::nullopt, .body = {}};
  auto body = peers.post(forward, deadline);
  if (!body)
    answer.error = bare(body.error());
  else if (body->size() > ipc::kMaxBody)
    answer.error = Error(Code::malformed, "its answer is longer than 8 MiB");
  else
    answer.body = *std::move(body);
  if (!channel.send(answer.encode())) channel.shutdown();
}

// Carries out the custodian's frames until its channel ends.
Status serve(ipc::Channel& channel, Peers& peers, UnderWay& under_way, Workers& workers) {
  for (;;) {
    std::vector<Fd> files;
    const auto frame = channel.receive(&files);
    if (!frame) return frame.error();
    if (ipc::kind_of(*frame) && *ipc::kind_of(*frame) == ipc::Kind::reload) {
      auto self = identity_from(files);
      if (self)
        peers.use(*std::move(self));
      else
        log_error("relay: the old certificate stays: " + self.error().message());
      continue;
    }
    if (const auto ping = ipc::Ping::parse(ipc::Kind::ping, *frame)) {
      if (under_way.goes_on()) static_cast<void>(channel.send(ping->encode(ipc::Kind::pong)));
      continue;
    }
    auto forward = ipc::Forward::parse(*frame);
    if (!forward) return std::move(forward).error();
    const auto deadline = Peers::Clock::now() + std::chrono::milliseconds(forward->budget_ms);
    auto entry = std::make_shared<UnderWay::Entry>(under_way, deadline);
    workers.submit(forward->body.size(), [&channel, &peers, entry = std::move(entry),
                                          forward = *std::move(forward), deadline]() mutable {
      carry(channel, peers, forward, deadline);
      entry.reset();
    });
  }
}

// Ends immediately with the channel. Not exit(), because threads may still wait for peers, and libraries may
// need what the sandbox denies.
[[noreturn]] void end(const Status& done) {
  const bool closed = !done && done.error().code() == Code::unavailable;
  if (!done && !closed) log_error("relay: " + done.error().message());
  std::_Exit(done || closed ? 0 : 1);
}

Status run() {
  if (auto confined = confine(); !confined) return confined;
  ipc::Channel channel{Fd(kChannel)};
  warm_up();
  const auto landlock = enter_sandbox({.connect = true, .read = resolver_files()});
  if (!landlock) return landlock.error();
  if (*landlock == 0) log_warning("relay: the kernel has no Landlock; names are looked up in DNS only");

  std::vector<Fd> files;
  const auto first = channel.receive(&files);
  if (!first) return first.error();
  auto self = identity_from(files);
  if (!self) return std::move(self).error();
  Peers peers(*std::move(self));
  UnderWay under_way;
  Workers workers(kThreads, kMaxWaiting, kMaxWaitingBytes);
  end(serve(channel, peers, under_way, workers));
}

}  // namespace
}  // namespace coprotect::agent::relay

int main() {
  using namespace coprotect;
  // OpenSSL also allocates memory for untrusted bytes here; only the TLS key is in locked memory.
  if (const auto locked = locked_memory::install_for_keys(); !locked) agent::relay::end(locked.error());
  agent::relay::end(agent::relay::run());
}
