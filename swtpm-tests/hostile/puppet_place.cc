#include "swtpm-tests/hostile/puppet_place.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <stdexcept>

namespace coprotect::harness {
namespace {

constexpr int kPatienceMs = 30'000;

Fd listen_at(const std::string& file) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  file.copy(address.sun_path, sizeof address.sun_path - 1);
  Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), 8) != 0)
    throw std::runtime_error("cannot listen at " + file);
  return listener;
}

}  // namespace

void install_programs(const std::filesystem::path& programs, const std::string& name,
                      const std::filesystem::path& other) {
  std::filesystem::create_directories(programs);
  for (const char* const program :
       {"coprotect-agent", "coprotect-starter", "coprotect-token", "coprotect-front", "coprotect-relay"})
    std::filesystem::copy_file(name == program ? other : System::program(program), programs / program);
}

PuppetPlace::PuppetPlace(const std::filesystem::path& programs, const std::string& name) {
  install_programs(programs, name, COPROTECT_PUPPET);
  listener_ = listen_at((programs / name).string() + ".socket");
}

PuppetPlace::Puppet PuppetPlace::accept() const {
  using agent::ipc::Channel;
  pollfd waiting{listener_.get(), POLLIN, 0};
  if (poll(&waiting, 1, kPatienceMs) <= 0) throw std::runtime_error("the agent starts no such process");
  Puppet puppet;
  puppet.program = std::make_unique<Channel>(Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  std::vector<Fd> files;
  if (!puppet.program->receive(&files) || files.size() != 1)
    throw std::runtime_error("the puppet's channel is missing");
  puppet.channel = std::make_unique<Channel>(std::move(files.front()));
  return puppet;
}

}  // namespace coprotect::harness
