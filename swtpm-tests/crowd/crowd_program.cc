// Those who do not wish the agents well, on a machine of their own as far as that can be: a process that
// leaves its processor time to others. On SIGTERM it says what it met with, and ends.
//
//   crowd_program strangers URL CONNECTIONS FIRST-ADDRESS
//   crowd_program kept|fresh|batches|chains CONFIG BUNDLE PARTY THREADS

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <memory>

#include "protocol/base/arena.h"
#include "protocol/message/request.h"
#include "swtpm-tests/crowd/asking.h"
#include "swtpm-tests/crowd/flood.h"
#include "swtpm-tests/crowd/strangers.h"

namespace coprotect::harness::crowd {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kDistinct = 8;  // files of a batch, which repeat: they are dear to make, too
constexpr int kNicer = 10;

struct Batch {
  std::vector<Sealed> files;
  std::vector<client::LockedFile> locked_files;
};

Batch batch_of(const protocol::Bundle& bundle, std::size_t size) {
  Batch batch;
  for (std::size_t i = 0; i < std::min(size, kDistinct); ++i) batch.files.push_back(seal(bundle));
  for (std::size_t i = 0; i < size; ++i) batch.locked_files.push_back(locked(batch.files[i % kDistinct]));
  return batch;
}

// What one thread sends.
Flood::Send sender(const std::string& what, const protocol::Bundle& bundle, const Client& client,
                   const std::string& party, const Batch& batch) {
  const auto deadline = what == "batches" ? 60s : 3s;
  const auto asking = std::make_shared<Asking>(bundle, client, party, deadline);
  if (what == "kept") return [asking, &batch] { return asking->ask(batch.locked_files); };
  if (what == "batches") return [asking, &batch] { return asking->send(batch.locked_files); };
  if (what == "chains")
    return [asking, &batch] { return asking->send_chain(batch.locked_files.front(), 2'500ms); };
  return [asking, &batch] {
    asking->reconnect();
    return asking->ask(batch.locked_files);
  };
}

void wait_for_the_end() {
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  int signal = 0;
  sigwait(&end, &signal);
}

[[noreturn]] void report(const std::string& account) {
  std::cout << account << std::endl;
  _exit(0);  // whatever is under way
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.at(0) == "strangers") {
    const Strangers strangers(arguments.at(1), std::stoul(arguments.at(2)),
                              static_cast<std::uint32_t>(std::stoul(arguments.at(3))));
    wait_for_the_end();
    report(strangers.account());
  }
  const Client client = load_client(arguments.at(1));
  const protocol::Bundle bundle = load_bundle(arguments.at(2));
  const Batch batch = batch_of(bundle, arguments[0] == "batches" ? protocol::kMaxItems : 1);
  Flood flood;
  flood.add(static_cast<unsigned>(std::stoul(arguments.at(4))),
            [&] { return sender(arguments[0], bundle, client, arguments.at(3), batch); });
  wait_for_the_end();
  report(flood.account());
}

}  // namespace
}  // namespace coprotect::harness::crowd

int main(int argc, char** argv) {
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &end, nullptr);
  const int priority = getpriority(PRIO_PROCESS, 0) + coprotect::harness::crowd::kNicer;
  if (setpriority(PRIO_PROCESS, 0, priority) != 0 || !coprotect::locked_memory::install()) return 1;
  return coprotect::harness::crowd::run({argv + 1, argv + argc});
}
