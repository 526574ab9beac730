// A front that works, and records or alters all that passes between client and custodian.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "agent/config.h"
#include "agent/front_process.h"
#include "agent/ipc/messages.h"
#include "protocol/file/header.h"
#include "protocol/message/reply.h"
#include "swtpm-tests/harness/memory_search.h"
#include "swtpm-tests/hostile/front_place.h"
#include "swtpm-tests/secrets_of.h"
#include "swtpm-tests/share_of.h"

namespace coprotect::harness {
namespace {

using agent::ipc::Channel;
using agent::ipc::Kind;

// The real front, and between it and the custodian somebody who sees what it sees: everything after TLS.
class Eavesdropper {
 public:
  Eavesdropper(Agent& agent, const std::filesystem::path& programs)
      : place_(agent, programs), front_(start(agent, near_)) {
    if (!near_->send(place_.trust()) || !near_->receive())
      throw std::runtime_error("the front does not start");
    from_front_ = std::jthread([this] { relay(*near_, place_.channel()); });
    from_custodian_ = std::jthread([this] { relay(place_.channel(), *near_); });
  }
  ~Eavesdropper() {
    place_.channel().shutdown();
    near_->shutdown();
  }

  // From now on one bit of each of these frames is turned, so many bytes before its end.
  void alter(Kind kind, std::size_t before_end) {
    before_end_ = before_end;
    altered_ = kind;
  }
  void leave_alone() { altered_ = Kind{}; }
  bool front_running() { return !front_.ended(); }

  std::vector<Bytes> recorded() const {
    const std::lock_guard lock(mutex_);
    return record_;
  }

 private:
  static Daemon start(const Agent& agent, std::unique_ptr<Channel>& near) {
    const auto config = agent::Config::load(agent.config());
    auto ends = Channel::make_pair();
    if (!config || !ends) throw std::runtime_error("no front");
    near = std::make_unique<Channel>(std::move(ends->first));
    return Daemon::spawn(agent::front_arguments(System::program("coprotect-front"), *config), {},
                         {{3, ends->second.get()}});
  }

  void relay(Channel& from, Channel& to) {
    for (;;) {
      auto frame = from.receive();
      if (!frame) break;
      {
        const std::lock_guard lock(mutex_);
        record_.push_back(*frame);
      }
      if (frame->front() == static_cast<std::uint8_t>(altered_.load()) && frame->size() > before_end_)
        *(frame->end() - 1 - static_cast<std::ptrdiff_t>(before_end_.load())) ^= 1;
      if (!to.send(*frame)) break;
    }
    to.shutdown();
  }

  mutable std::mutex mutex_;
  std::vector<Bytes> record_;
  std::atomic<Kind> altered_{};
  std::atomic<std::size_t> before_end_ = 0;
  FrontPlace place_;
  std::unique_ptr<Channel> near_;
  Daemon front_;
  std::jthread from_front_;
  std::jthread from_custodian_;
};

class EavesdroppingFront : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{.suite = GetParam(), .onboarded = false});
    if (HasFailure()) GTEST_FAIL() << "no system";
    // It is there from the first ceremony on.
    spy_ = std::make_unique<Eavesdropper>(system_->cloud(), system_->folder() / "programs");
    const Finished run = system_->onboard();
    ASSERT_EQ(run.exit_code, 0) << run.err;
    alice_ = system_->add_client("alice");
    write_file(system_->folder() / "f", kContent);
    ASSERT_EQ(system_->coprotect(alice_, {"encrypt", system_->folder() / "f"}).exit_code, 0);
  }

  Finished decrypt() const {
    return system_->coprotect(alice_, {"decrypt", system_->folder() / "f.cop", "-o", out()});
  }
  std::filesystem::path out() const { return system_->folder() / "out"; }

  static constexpr const char* kContent = "figures that only the two agents together can show";
  std::unique_ptr<System> system_;
  std::unique_ptr<Eavesdropper> spy_;
  std::filesystem::path alice_;
};

INSTANTIATE_TEST_SUITE_P(Suites, EavesdroppingFront, testing::Values("p256", "ffdhe3072"),
                         [](const auto& instance) { return instance.param; });

TEST_P(EavesdroppingFront, RecordsNothingSecret) {
  ASSERT_EQ(decrypt().exit_code, 0);
  EXPECT_EQ(read_file(out()), kContent);
  Bytes all;
  std::size_t sealed_replies = 0;
  const auto bundle = bundle_of(*system_);
  for (const Bytes& frame : spy_->recorded()) {
    all.insert(all.end(), frame.begin(), frame.end());
    const auto reply = agent::ipc::Reply::parse(frame);
    if (reply && protocol::SealedReply::parse(reply->body)) ++sealed_replies;
  }

  // What must pass is found.
  EXPECT_GT(sealed_replies, 0u);
  const std::string file = read_file(system_->folder() / "f.cop");
  const auto header = protocol::Header::parse(bytes_of(file));
  ASSERT_TRUE(header);
  const auto stanza = header->stanza_for(bundle.key_id());
  ASSERT_TRUE(stanza);
  EXPECT_FALSE(forms_in(all, (*stanza)->ciphertext.c1.encode()).empty());
  EXPECT_FALSE(forms_in(all, bundle.key_id()).empty());
  const auto expect_absent = [&](const std::string& what, ByteView secret) {
    const auto forms = forms_in(all, secret);
    EXPECT_TRUE(forms.empty()) << what << " as " << forms.front();
  };
  for (const auto& [what, secret] : secrets_of(*system_, system_->folder() / "f.cop"))
    expect_absent(what, secret.reveal());
  expect_absent("content", bytes_of(kContent));
}

TEST_P(EavesdroppingFront, GainsNothingByAltering) {
  for (const Kind kind : {Kind::call, Kind::reply})
    for (const std::size_t before_end : {0u, 20u, 70u, 120u}) {
      spy_->alter(kind, before_end);
      const Finished run = decrypt();
      EXPECT_NE(run.exit_code, 0);
      EXPECT_LT(run.exit_code, 128) << "ended by a signal";
      EXPECT_NE(run.err.find("cloud"), std::string::npos) << run.err;
      EXPECT_FALSE(std::filesystem::exists(out()));
    }
  EXPECT_TRUE(system_->cloud().running());
  EXPECT_TRUE(system_->company().running());
  EXPECT_TRUE(spy_->front_running());
  spy_->leave_alone();
  EXPECT_EQ(decrypt().exit_code, 0);
  EXPECT_EQ(read_file(out()), kContent);
}

}  // namespace
}  // namespace coprotect::harness
