#include "swtpm-tests/crowd/honest.h"

#include <optional>

#include "client/quorum.h"
#include "protocol/file/encapsulation.h"

namespace coprotect::harness::crowd {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kPauseBeforeRepeating(20);

}  // namespace

// The connections of one client.
class Honest::Opener {
 public:
  explicit Opener(const Plan& plan) : plan_(plan) { renew(); }

  Status open(const Sealed& sealed) {
    const client::LockedFile file = locked(sealed);
    if (!plan_.kept) renew();
    if (alone_) return alone_->ask(std::span(&file, 1));
    const auto opened = quorum_->open(std::span(&file, 1));
    if (!opened.front()) return opened.front().error();
    const auto file_key = sealed.header.unlock(*opened.front());
    if (!file_key) return file_key.error();
    const Secret secret = protocol::encapsulated_secret(*file_key);
    if (equal_in_constant_time(secret, sealed.secret)) return Done{};
    return Error(Code::internal, "another secret than was sealed");
  }

 private:
  void renew() {
    if (plan_.parties.size() == 1)
      alone_.emplace(*plan_.bundle, plan_.client, plan_.parties.front(), plan_.deadline);
    else
      quorum_.emplace(client::HeldBundle(*plan_.bundle), plan_.client.credentials, protocol::Action::view,
                      "honest", plan_.deadline, std::nullopt);
  }

  const Plan& plan_;
  std::optional<Asking> alone_;
  std::optional<client::Quorum> quorum_;
};

Honest::Honest(Plan plan, Recorded& recorded)
    : plan_(std::move(plan)),
      recorded_(recorded),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Honest::Tally Honest::end() {
  thread_.request_stop();
  thread_.join();
  return std::move(tally_);
}

void Honest::run(const std::stop_token& stop) {
  Opener opener(plan_);
  while (!stop.stop_requested()) {
    open_one(opener);
    std::this_thread::sleep_for(plan_.pause);
  }
}

void Honest::open_one(Opener& opener) {
  const Sealed sealed = seal(*plan_.bundle);
  const auto begin = Clock::now();
  for (;;) {
    const Status opened = opener.open(sealed);
    const auto taken = Clock::now() - begin;
    if (opened) {
      tally_.milliseconds.push_back(std::chrono::duration<double, std::milli>(taken).count());
      for (const std::string& party : plan_.parties) recorded_.answered(party, sealed.c1_hash);
      return;
    }
    if (!plan_.repeats || opened.error().code() != Code::unavailable || taken > plan_.deadline) {
      tally_.failures.push_back(opened.error());
      return;
    }
    ++tally_.repeated;
    std::this_thread::sleep_for(kPauseBeforeRepeating);
  }
}

}  // namespace coprotect::harness::crowd
