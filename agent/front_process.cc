#include "agent/front_process.h"

#include <utility>

namespace coprotect::agent {

std::vector<std::string> front_arguments(const std::filesystem::path& executable, const Config& config) {
  return {executable.string(),
          "--listen",
          config.listen,
          "--certificate",
          config.tls.certificate.string(),
          "--key",
          config.tls.key.string()};
}

Result<std::unique_ptr<ChildProcess>> start_front(const std::vector<std::string>& arguments,
                                                  FrontEvents events) {
  const auto take = [events = std::move(events)](const std::shared_ptr<ipc::Channel>& channel,
                                                 ByteView frame) {
    if (auto call = ipc::Call::parse(frame)) {
      events.call(channel, std::move(*call));
      return true;
    }
    if (const auto given_up = ipc::GivenUp::parse(frame)) {
      events.given_up(channel, *given_up);
      return true;
    }
    if (const auto usage = ipc::Usage::parse(frame)) {
      events.usage(*usage);
      return true;
    }
    const auto ready = ipc::Ready::parse(frame);
    if (ready) events.ready(*ready);
    return static_cast<bool>(ready);
  };
  return ChildProcess::start("front", arguments, take);
}

}  // namespace coprotect::agent
