#include "swtpm-tests/hostile/front_place.h"

#include <stdexcept>

#include "agent/ipc/messages.h"

namespace coprotect::harness {

FrontPlace::FrontPlace(Agent& agent, std::filesystem::path programs)
    : agent_(agent), programs_(std::move(programs)), place_(programs_, "coprotect-front") {
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
  auto front = std::make_unique<Front>(Front{.puppet = place_.accept(), .limits = {}, .trust = {}});
  auto limits = front->puppet.channel->receive();
  auto trust = front->puppet.channel->receive();
  if (!limits || !trust || !front->puppet.channel->send(agent::ipc::Ready{.port = 1}.encode()))
    throw std::runtime_error("the custodian is gone");
  front->limits = *std::move(limits);
  front->trust = *std::move(trust);
  return front;
}

}  // namespace coprotect::harness
