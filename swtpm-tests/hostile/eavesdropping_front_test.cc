// A front that works, and records, alters or answers what passes between client and custodian.

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
    if (!near_->send(place_.limits()) || !near_->send(place_.trust()) || !near_->receive())
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
  // From now on a call for which this makes a reply is answered with it, and never reaches the custodian.
  using Forge = std::function<std::optional<agent::ipc::Reply>(const agent::ipc::Call&)>;
  void answer_with(Forge forge) {
    const std::lock_guard lock(mutex_);
    forge_ = std::move(forge);
  }
  void leave_alone() {
    altered_ = Kind{};
    answer_with(nullptr);
  }
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
      const auto forged = forge(*frame);
      if (!(forged ? from : to).send(forged ? *forged : *frame)) break;
    }
    to.shutdown();
  }

  std::optional<Bytes> forge(const Bytes& frame) {
    const auto call = agent::ipc::Call::parse(frame);
    const std::lock_guard lock(mutex_);
    auto reply = call && forge_ ? forge_(*call) : std::nullopt;
    if (!reply) return std::nullopt;
    reply->id = call->id;
    reply->request_id = "0123456789abcdef";
    return reply->encode();
  }

  mutable std::mutex mutex_;
  Forge forge_;
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

// Yesterday's log for an auditor, a refusal that nobody gave, and a drill's report that never arrived.
TEST_P(EavesdroppingFront, CannotAnswerInTheCustodiansPlace) {
  using agent::ipc::Route;
  const auto reply_of = [](const std::optional<Error>& error, Bytes body) {
    return agent::ipc::Reply{.id = 0, .error = error, .request_id = {}, .body = std::move(body)};
  };
  const auto forge_all = [&](Route route, const agent::ipc::Reply& reply) {
    spy_->answer_with([=](const agent::ipc::Call& call) {
      return call.route == route ? std::optional(reply) : std::nullopt;
    });
  };
  const auto last_body = [&] {
    const auto frames = spy_->recorded();
    for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame)
      if (const auto reply = agent::ipc::Reply::parse(*frame)) return reply->body;
    return Bytes();
  };
  const auto audit = [&] {
    return system_->provision({"log", "--config", system_->admin().string(), "--party", "cloud"});
  };
  const auto drill = [&](const std::string& name) {
    return Command(System::program("coprotect-provision"))
        .args({"drill", "--dir", system_->out().string(), "--out", (system_->folder() / name).string(),
               "--kit", system_->kit().string(), "--code-fd", "7"})
        .feed(7, system_->code() + "\n")
        .run();
  };

  Finished run = audit();
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Bytes yesterdays = last_body();
  ASSERT_TRUE(protocol::SealedReply::parse(yesterdays));
  forge_all(Route::log, reply_of(std::nullopt, yesterdays));
  run = audit();
  EXPECT_NE(run.exit_code, 0);
  EXPECT_NE(run.err.find("not its own to this request"), std::string::npos) << run.err;

  forge_all(Route::partial_decrypt, reply_of(Error(Code::denied, "file policy does not allow it"), {}));
  run = decrypt();
  EXPECT_EQ(run.exit_code, 4) << run.err;  // not reached, and no verdict
  EXPECT_NE(run.err.find("could not be asked"), std::string::npos) << run.err;
  // Sealed as the custodian would, but signed by the front.
  const auto own = protocol::SigningKey::generate(system_random());
  const auto cloud = bundle_of(*system_).parameters()->parties[0].identity_key.bytes();
  spy_->answer_with([&](const agent::ipc::Call& call) -> std::optional<agent::ipc::Reply> {
    const auto envelope = protocol::SignedRequest::parse_envelope(call.body);
    if (!envelope) return std::nullopt;
    auto made_up = protocol::SealedReply::refuse(
        own, {Code::denied, "not you", {}}, envelope->request.reply_key, envelope->hash, system_random());
    made_up->party = cloud;
    return reply_of(std::nullopt, made_up->encode());
  });
  run = decrypt();
  EXPECT_NE(run.exit_code, 0);
  EXPECT_EQ(run.err.find("not you"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("not its own to this request"), std::string::npos) << run.err;

  spy_->leave_alone();
  run = drill("before");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  for (const Bytes& swallowed : {Bytes(), last_body()}) {
    forge_all(Route::drill_report, reply_of(std::nullopt, swallowed));
    run = drill(swallowed.empty() ? "swallowed" : "repeated");
    EXPECT_NE(run.exit_code, 0);
    EXPECT_NE(run.err.find("cloud agent"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("could not be told of the drill"), std::string::npos) << run.err;
  }
  spy_->leave_alone();
  EXPECT_EQ(decrypt().exit_code, 0);
}

// Somebody is removed, and the front keeps the list back: the agent would go on answering him.
TEST_P(EavesdroppingFront, CannotKeepAListBack) {
  using agent::ipc::Route;
  const auto remove = [&] { return system_->remove_client("coprotect:acme:user:alice", {}); };
  Bytes receipt;
  for (const Bytes& frame : spy_->recorded())  // of the list that the onboarding brought
    if (const auto reply = agent::ipc::Reply::parse(frame); reply && reply->body.size() == 64)
      receipt = reply->body;
  for (const Bytes& said : {Bytes(), receipt}) {
    spy_->answer_with([=](const agent::ipc::Call& call) -> std::optional<agent::ipc::Reply> {
      if (call.route != Route::client_list_put) return std::nullopt;
      return agent::ipc::Reply{.id = 0, .error = std::nullopt, .request_id = {}, .body = said};
    });
    const Finished run = remove();
    EXPECT_NE(run.exit_code, 0);
    EXPECT_NE(run.err.find("cloud agent: the answer to the client list is not signed by the agent"),
              std::string::npos)
        << run.err;
  }
  spy_->leave_alone();
  const Finished run = remove();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(decrypt().exit_code, 0);
}

// Whether code and kit would open anything is what an administrator reads once a month. A front says that all
// is well.
TEST_P(EavesdroppingFront, CannotInventTheDatesOfRecovery) {
  using agent::ipc::Route;
  const auto holders = [&] { return system_->provision({"holders", "--dir", system_->out().string()}); };
  const auto forge_all = [&](Route route, const Bytes& body) {
    spy_->answer_with([=](const agent::ipc::Call& call) -> std::optional<agent::ipc::Reply> {
      if (call.route != route) return std::nullopt;
      return agent::ipc::Reply{.id = 0, .error = std::nullopt, .request_id = {}, .body = body};
    });
  };
  const std::string line = "recovery at the cloud agent: parts verified 20";
  const std::string wrong = "its recovery administrator is not enrolled: its kit and code open nothing";
  Finished run = holders();
  // The agent verifies the parts soon after the key was made.
  for (int i = 0; i < 50 && run.out.find(line) == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    run = holders();
  }
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find(line), std::string::npos) << run.out;
  EXPECT_EQ(run.out.find(wrong), std::string::npos) << run.out;
  Bytes yesterdays;  // the last reply to the tool's question of the status
  for (const Bytes& frame : spy_->recorded())
    if (const auto reply = agent::ipc::Reply::parse(frame);
        reply && protocol::SealedReply::parse(reply->body))
      yesterdays = reply->body;

  ASSERT_EQ(system_->remove_client("coprotect:acme:recovery:recovery", {"--without-recovery"}).exit_code, 0);
  const std::string health =
      R"({"status":"ok","role":"cloud","version":"1","token":"ok","store":"ok","recovery":"ok","contacts":"ok",)"
      R"("erasure":"ok","held":[],"recovery_parts_age_seconds":1000000000,)"
      R"("recovery_code_age_seconds":1000000000,"last_drill_age_seconds":0,"keys":1})";
  forge_all(Route::health, Bytes(health.begin(), health.end()));
  run = holders();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find(line), std::string::npos) << run.out;
  const auto cloud = run.out.find(line);
  const auto company = run.out.find("recovery at the company agent");
  ASSERT_TRUE(cloud != std::string::npos && company != std::string::npos && cloud < company) << run.out;
  EXPECT_LT(run.out.find(wrong, cloud), company) << "the front was believed: " << run.out;

  // Nor does it hide that by what the agent signed before.
  forge_all(Route::handover, yesterdays);
  run = holders();
  EXPECT_EQ(run.out.find("recovery at the cloud agent"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("the cloud agent does not answer"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("not its own to this request"), std::string::npos) << run.out;
}

}  // namespace
}  // namespace coprotect::harness
