// coprotect-front: terminates TLS and HTTP for coprotect-agent, which starts it with their channel as
// descriptor 3. It handles bytes from strangers, and its only secret is the TLS key.

#include <fcntl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>

#include "agent/front/listener.h"
#include "agent/front/server.h"
#include "agent/log.h"
#include "agent/sandbox/sandbox.h"
#include "protocol/base/arena.h"

namespace coprotect::agent::front {
namespace {

constexpr int kChannel = 3;

struct Options {
  std::string listen;
  std::string certificate;
  std::string key;
};

// Inherits no environment, and dies with the parent. Raises the limit of open files to the system's maximum,
// because the sandbox does not allow that when the limits are reloaded.
Result<rlim_t> confine() {
  clearenv();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);  // systemd sends it to all processes of a unit; the agent says when to stop
  rlimit files{};
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
    return Error(Code::internal, "cannot set limits");
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) return Error(Code::internal, "cannot set limits");
  return files.rlim_max;
}

Result<ipc::Limits> limits_from(ByteView frame, rlim_t files) {
  auto limits = ipc::Limits::parse(frame);
  if (!limits) return limits;
  if (auto fit = limits->fit_into(files); !fit) return std::move(fit).error();
  return limits;
}

Result<std::shared_ptr<const TlsIdentity>> open_identity(const Options& options) {
  const Fd certificate(open(options.certificate.c_str(), O_RDONLY | O_CLOEXEC));
  if (!certificate) return Error(Code::not_found, "cannot open \"" + options.certificate + "\"");
  const Fd key(open(options.key.c_str(), O_RDONLY | O_CLOEXEC));
  if (!key) return Error(Code::not_found, "cannot open \"" + options.key + "\"");
  return TlsIdentity::read(certificate.get(), key.get());
}

Result<std::shared_ptr<const ClientAuthorities>> authorities_from(ByteView frame) {
  const auto trust = ipc::Trust::parse(frame);
  if (!trust) return trust.error();
  return ClientAuthorities::make(*trust);
}

// If the certificate does not load, the current one stays in use.
void reload(Server& server, const std::vector<Fd>& files) {
  auto identity = files.size() == 2 ? TlsIdentity::read(files[0].get(), files[1].get())
                                    : Error(Code::malformed, "two files are needed");
  if (!identity) return log_error("front: the old certificate stays: " + identity.error().message());
  server.use(std::move(*identity));
  log_info("front: certificate reloaded");
}

// If the system does not allow the new limits, the current ones stay.
Status reload_limits(Server& server, ByteView frame, rlim_t files) {
  if (auto parsed = ipc::Limits::parse(frame); !parsed) return std::move(parsed).error();
  const auto limits = limits_from(frame, files);
  if (!limits) {
    log_error("front: the old limits stay: " + limits.error().message());
    return Done{};
  }
  server.use(*limits);
  log_info("front: limits reloaded");
  return Done{};
}

// Carries out the custodian's frames. After "stop", replies still arrive until every request is answered.
Status serve(ipc::Channel& channel, Server& server, Exchange& exchange, const ipc::Ready& ready,
             rlim_t open_files) {
  std::jthread drainer;
  for (;;) {
    std::vector<Fd> files;
    const auto frame = channel.receive(&files);
    if (!frame && drainer.joinable()) return Done{};
    if (!frame) return frame.error();
    const auto kind = ipc::kind_of(*frame);
    if (!kind) return kind.error();
    switch (*kind) {
      case ipc::Kind::reply: {
        auto reply = ipc::Reply::parse(*frame);
        if (!reply) return std::move(reply).error();
        exchange.deliver(std::move(*reply));
        break;
      }
      case ipc::Kind::trust: {
        auto authorities = authorities_from(*frame);
        if (!authorities) return std::move(authorities).error();
        server.use(std::move(*authorities));
        break;
      }
      case ipc::Kind::reload: {
        reload(server, files);
        if (auto sent = channel.send(ready.encode()); !sent) return sent;
        break;
      }
      case ipc::Kind::limits: {
        if (auto used = reload_limits(server, *frame, open_files); !used) return used;
        break;
      }
      case ipc::Kind::ping: {
        const auto ping = ipc::Ping::parse(*kind, *frame);
        if (!ping) return ping.error();
        server.ping(ping->number);
        break;
      }
      case ipc::Kind::stop: {
        if (drainer.joinable()) break;
        drainer = std::jthread([&] {
          server.drain();
          channel.shutdown();  // ends the loop
        });
        break;
      }
      case ipc::Kind::call:
      case ipc::Kind::ready:
      case ipc::Kind::forward:
      case ipc::Kind::forwarded:
      case ipc::Kind::pong:
      case ipc::Kind::given_up:
      case ipc::Kind::usage:
        return Error(Code::malformed, "a frame that is not for the front");
    }
  }
}

Status run(const Options& options) {
  const auto files = confine();
  if (!files) return files.error();
  ipc::Channel channel{Fd(kChannel)};
  protocol::SigningKey::prepare();
  auto identity = open_identity(options);
  if (!identity) return std::move(identity).error();
  auto listener = listen_on(options.listen);
  if (!listener) return std::move(listener).error();
  const auto port = port_of(*listener);
  if (!port) return port.error();

  const auto landlock = enter_sandbox();
  if (!landlock) return landlock.error();
  if (*landlock == 0) log_warning("front: the kernel has no Landlock; seccomp alone keeps files away");

  const auto first = channel.receive();
  if (!first) return first.error();
  const auto limits = limits_from(*first, *files);
  if (!limits) return limits.error();
  const auto second = channel.receive();
  if (!second) return second.error();
  auto authorities = authorities_from(*second);
  if (!authorities) return std::move(authorities).error();

  Exchange exchange(channel);
  auto server =
      Server::start(std::move(*listener), *limits, std::move(*identity), std::move(*authorities), exchange);
  if (!server) return std::move(server).error();
  const ipc::Ready ready{.port = *port};
  if (auto sent = channel.send(ready.encode()); !sent) return sent;

  auto served = serve(channel, **server, exchange, ready, *files);
  // Without the custodian there is nothing to finish, and connections that wait for it cannot be closed in an
  // orderly way.
  if (!served) {
    log_error("front: " + served.error().message());
    std::_Exit(1);
  }
  return served;
}

int main_of(int argc, char** argv) {
  // One heap for all threads: memory that one connection frees is reused by the next, in any thread.
  mallopt(M_ARENA_MAX, 1);
  // GnuTLS has its own memory needs, so it keeps its allocator. It is not given the TLS key.
  if (const auto locked = locked_memory::install_for_keys(); !locked) {
    log_error("front: " + locked.error().message());
    return 1;
  }
  // OpenSSL does one thing here, with one key: do not load what the system's configuration names.
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) return 1;
  Options options;
  CLI::App app("TLS and HTTP for coprotect-agent, which starts it");
  app.add_option("--listen", options.listen, "address:port")->required();
  app.add_option("--certificate", options.certificate, "TLS certificate, PEM")->required();
  app.add_option("--key", options.key, "its private key, PEM")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  const auto done = run(options);
  if (!done) log_error("front: " + done.error().message());
  // Not exit(): the libraries' exit handlers may need what the sandbox denies.
  std::_Exit(done ? 0 : 1);
}

}  // namespace
}  // namespace coprotect::agent::front

int main(int argc, char** argv) {
  return coprotect::agent::front::main_of(argc, argv);
}
