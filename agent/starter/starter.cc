#include "agent/starter/starter.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <thread>

#include "agent/starter/messages.h"

namespace coprotect::agent {
namespace {

using starter::Answer;
using starter::Order;

constexpr int kItsChannel = 3;
// It answers immediately, but reading a program from the disk may take time.
constexpr std::chrono::seconds kPatience(30);

bool fits(const std::vector<std::string>& strings) {
  return strings.size() <= starter::kMostStrings && std::ranges::all_of(strings, [](const auto& string) {
           return string.size() <= starter::kMaxString;
         });
}

}  // namespace

Result<std::unique_ptr<Starter>> Starter::begin(const std::filesystem::path& executable,
                                                const std::vector<Program>& programs,
                                                std::vector<std::string> environment) {
  auto ends = ipc::Channel::make_pair();
  if (!ends) return std::move(ends).error();
  std::vector<std::string> arguments = {executable.filename()};
  for (const Program& program : programs) {
    arguments.insert(arguments.end(),
                     {program.takes_more ? starter::kTakesMore : starter::kTakesNoMore,
                      program.takes_environment ? starter::kTakesEnvironment : starter::kTakesNone,
                      std::to_string(program.arguments.size()), program.executable.string()});
    arguments.insert(arguments.end(), program.arguments.begin(), program.arguments.end());
  }
  auto process = hsm::direct_spawner().start(executable, std::move(arguments), std::move(environment),
                                             ends->second.get(), kItsChannel);
  if (!process) return std::move(process).error();
  std::unique_ptr<Starter> starter(new Starter(*std::move(process), std::move(ends->first)));
  for (auto limited : {starter->channel_.limit_send(kPatience), starter->channel_.limit_receive(kPatience)})
    if (!limited) return std::move(limited).error();
  return starter;
}

Starter::~Starter() {
  hsm::direct_spawner().signal_group(process_.pid, SIGKILL);
  hsm::direct_spawner().reap(process_);
}

// An order without an answer ends the starter, because the next answer would be taken for it. So memory is
// allocated before the order or after the answer.
Result<Answer> Starter::ask(const Order& order, std::span<const int> files, std::vector<Fd>* received) {
  const Bytes encoded = order.encode();
  ByteArray<starter::kAnswerSize> frame;
  const auto exchanged = [&]() -> Status {
    if (auto sent = channel_.send(encoded, files); !sent) return sent;
    return channel_.receive_into(frame, received);
  };
  const auto lose = [&] {
    lost_ = true;
    channel_.shutdown();
  };
  try {
    if (const auto done = exchanged(); !done) {
      lose();
      return Error(Code::unavailable, "coprotect-starter does not answer: " + done.error().message());
    }
  } catch (const std::bad_alloc&) {  // for the error message
    lose();
    throw;
  }
  auto answer = Answer::parse(frame);
  if (!answer) lose();
  return answer;
}

// For orders that must succeed, from code that must not throw: retries until there is memory, or until the
// starter is lost, and this process with it.
std::optional<Answer> Starter::insist(const Order& order) {
  constexpr std::chrono::milliseconds kPause{20};
  while (!lost_) {
    try {
      const std::lock_guard lock(mutex_);
      auto answer = ask(order);
      if (!answer) return std::nullopt;
      return *std::move(answer);
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(kPause);
    }
  }
  return std::nullopt;
}

Result<hsm::Spawned> Starter::start(const std::filesystem::path& executable,
                                    std::vector<std::string> arguments, std::vector<std::string>, int channel,
                                    int its_channel) {
  const auto failed = [&](const std::string& why) {
    return Error(Code::unavailable, "cannot start \"" + executable.string() + "\": " + why);
  };
  if (!fits(arguments)) return failed("its arguments are too long");
  const Order order{.kind = Order::Kind::start,
                    .its_channel = static_cast<std::uint32_t>(its_channel),
                    .executable = executable.string(),
                    .arguments = std::move(arguments)};
  std::vector<Fd> files;
  files.reserve(2);  // as many as a message of a channel has
  const auto answer = [&] {
    const std::lock_guard lock(mutex_);
    return ask(order, std::span(&channel, 1), &files);
  }();
  if (!answer) return failed(answer.error().message());
  if (!answer->failure.empty()) return Error(Code::unavailable, answer->failure);
  if (files.size() == 1)
    return hsm::Spawned{.pid = static_cast<pid_t>(answer->value), .handle = std::move(files.front())};
  (void)insist({.kind = Order::Kind::drop, .pid = answer->value});
  return failed("its handle did not come: no descriptor was left");
}

void Starter::signal_group(pid_t pid, int number) {
  const auto kind = number == SIGTERM ? Order::Kind::end : Order::Kind::kill;
  (void)insist({.kind = kind, .pid = static_cast<std::uint32_t>(pid)});
}

std::optional<int> Starter::reap(const hsm::Spawned& spawned) {
  // The starter serves all threads, so it must not be made to wait.
  pollfd ended{.fd = spawned.handle.get(), .events = POLLIN, .revents = 0};
  while (poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  const auto answer = insist({.kind = Order::Kind::reap, .pid = static_cast<std::uint32_t>(spawned.pid)});
  if (!answer || !answer->failure.empty()) return std::nullopt;
  return static_cast<int>(answer->value);
}

}  // namespace coprotect::agent
