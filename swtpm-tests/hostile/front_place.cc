#include "swtpm-tests/hostile/front_place.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <stdexcept>

#include "agent/ipc/messages.h"

namespace coprotect::harness {
namespace {

constexpr int kPatienceMs = 30'000;

agent::ipc::Fd listen_at(const std::filesystem::path& file) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  file.string().copy(address.sun_path, sizeof address.sun_path - 1);
  agent::ipc::Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), 8) != 0)
    throw std::runtime_error("cannot listen at " + file.string());
  return listener;
}

}  // namespace

void install_with_front(const std::filesystem::path& programs, const std::filesystem::path& front) {
  std::filesystem::create_directories(programs);
  for (const char* const name : {"coprotect-agent", "coprotect-token"})
    std::filesystem::copy_file(System::program(name), programs / name);
  std::filesystem::copy_file(front, programs / "coprotect-front");
}

FrontPlace::FrontPlace(Agent& agent, std::filesystem::path programs)
    : agent_(agent), programs_(std::move(programs)) {
  install_with_front(programs_, COPROTECT_PUPPET_FRONT);
  listener_ = listen_at(programs_ / "front.socket");
  restart();
}

FrontPlace::~FrontPlace() {
  agent_.kill();  // it would wait for its front to finish what runs
}

void FrontPlace::restart() {
  if (front_)
    agent_.kill();
  else
    agent_.stop();
  front_.reset();
  auto accepted = std::async(std::launch::async, [this] { return accept(); });
  const bool started = agent_.start({.programs = programs_});
  front_ = accepted.get();
  if (!started) throw std::runtime_error("the agent does not start with another front");
}

std::unique_ptr<FrontPlace::Front> FrontPlace::accept() const {
  using agent::ipc::Channel;
  pollfd waiting{listener_.get(), POLLIN, 0};
  if (poll(&waiting, 1, kPatienceMs) <= 0) throw std::runtime_error("the agent starts no front");
  auto front = std::make_unique<Front>();
  front->program =
      std::make_unique<Channel>(agent::ipc::Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  std::vector<agent::ipc::Fd> files;
  if (!front->program->receive(&files) || files.size() != 1)
    throw std::runtime_error("the front's channel is missing");
  front->channel = std::make_unique<Channel>(std::move(files.front()));
  auto trust = front->channel->receive();
  if (!trust || !front->channel->send(agent::ipc::Ready{.port = 1}.encode()))
    throw std::runtime_error("the custodian is gone");
  front->trust = *std::move(trust);
  return front;
}

}  // namespace coprotect::harness
