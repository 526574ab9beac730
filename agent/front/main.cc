// coprotect-front: ends TLS and HTTP for coprotect-agent, which starts it with their channel as descriptor 3.
// It sees bytes from strangers and is trusted with nothing but the TLS key.

#include <fcntl.h>
#include <malloc.h>
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
constexpr rlim_t kFilesBesidesConnections = 64;

struct Options {
  std::string listen;
  std::string certificate;
  std::string key;
  unsigned request_seconds = 30;
  unsigned idle_seconds = 60;
  unsigned connections = 1000;
};

// Nothing of the parent's environment, no file larger than needed, and no life without the parent.
Status confine(const Options& options) {
  clearenv();
  std::signal(SIGPIPE, SIG_IGN);
  const rlim_t files = options.connections + kFilesBesidesConnections;
  const rlimit file_limit{files, files};
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || setrlimit(RLIMIT_NOFILE, &file_limit) != 0)
    return Error(Code::internal, "cannot set limits");
  return Done{};
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

// A certificate that does not load leaves the one that is in use.
void reload(Server& server, const std::vector<Fd>& files) {
  auto identity = files.size() == 2 ? TlsIdentity::read(files[0].get(), files[1].get())
                                    : Error(Code::malformed, "two files are needed");
  if (!identity) return log_error("front: the old certificate stays: " + identity.error().message());
  server.use(std::move(*identity));
  log_info("front: certificate reloaded");
}

// Does what the custodian sends. After "stop" replies still come in, until every request is answered.
Status serve(ipc::Channel& channel, Server& server, Exchange& exchange, const ipc::Ready& ready) {
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
        return Error(Code::malformed, "a frame that is not for the front");
    }
  }
}

Status run(const Options& options) {
  if (auto confined = confine(options); !confined) return confined;
  ipc::Channel channel{Fd(kChannel)};
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
  auto authorities = authorities_from(*first);
  if (!authorities) return std::move(authorities).error();

  Exchange exchange(channel);
  const Limits limits{.request = std::chrono::seconds(options.request_seconds),
                      .idle = std::chrono::seconds(options.idle_seconds),
                      .connections = options.connections};
  auto server =
      Server::start(std::move(*listener), limits, std::move(*identity), std::move(*authorities), exchange);
  if (!server) return std::move(server).error();
  const ipc::Ready ready{.port = *port};
  if (auto sent = channel.send(ready.encode()); !sent) return sent;

  auto served = serve(channel, **server, exchange, ready);
  // Without the custodian there is nothing to finish, and connections that wait for it cannot be closed in
  // order.
  if (!served) {
    log_error("front: " + served.error().message());
    std::_Exit(1);
  }
  return served;
}

int main_of(int argc, char** argv) {
  // One heap for all threads: what one connection gave back, the next one takes, whichever thread it falls
  // to.
  mallopt(M_ARENA_MAX, 1);
  // GnuTLS is foreign code with needs of its own, so it keeps its allocator.
  if (const auto locked = locked_memory::install_arena_only(); !locked) {
    log_error("front: " + locked.error().message());
    return 1;
  }
  Options options;
  CLI::App app("TLS and HTTP for coprotect-agent, which starts it");
  app.add_option("--listen", options.listen, "address:port")->required();
  app.add_option("--certificate", options.certificate, "TLS certificate, PEM")->required();
  app.add_option("--key", options.key, "its private key, PEM")->required();
  app.add_option("--request-seconds", options.request_seconds)->check(CLI::Range(1, 3600));
  app.add_option("--idle-seconds", options.idle_seconds)->check(CLI::Range(1, 3600));
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 100'000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  const auto done = run(options);
  if (!done) log_error("front: " + done.error().message());
  // Not exit(): what libraries do there may want what the sandbox denies.
  std::_Exit(done ? 0 : 1);
}

}  // namespace
}  // namespace coprotect::agent::front

int main(int argc, char** argv) {
  return coprotect::agent::front::main_of(argc, argv);
}
