// A real coprotect-relay, with the test as its custodian and a real coprotect-front as its peer.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <deque>
#include <fstream>
#include <thread>

#include "agent/front/test_front.h"
#include "agent/relay_process.h"
#include "swtpm-tests/harness/tcp_proxy.h"

namespace coprotect::agent {
namespace {

using namespace std::chrono_literals;

class Relay : public front::FrontTest {
 protected:
  Relay() {
    write_identity(ours_.issue({.use = protocol::CertificateUse::agent}));
    auto started = start_relay(COPROTECT_RELAY, [this](ipc::Forwarded answer) {
      const std::lock_guard lock(mutex_);
      answers_.push_back(std::move(answer));
      changed_.notify_all();
    });
    if (!started) {
      ADD_FAILURE() << started.error().message();
      return;
    }
    relay_ = std::move(*started);
    hand_over_identity();
  }

  // As start(), and the peer hears this agent, but not as a client.
  void start_peer(Config::Limits limits = {.request_seconds = 30, .idle_seconds = 60, .connections = 100}) {
    start(limits);
    trust(ours_);
  }
  void trust(const front::TestAuthority& authority) {
    const ipc::Trust trust{.authorities = {acme_.certificate().der()},
                           .peers = {authority.certificate().der()}};
    ASSERT_TRUE(front_->channel()->send(trust.encode()));
    // The reload is answered after the trust that was sent before it.
    ASSERT_TRUE(front_->channel()->send(ipc::encode_reload()));
    await_ready();
    port_ = target().port;
  }
  void write_identity(const front::Identity& identity) {
    std::ofstream(folder_ / "own.pem") << identity.certificate.pem();
    std::ofstream(folder_ / "own.key.pem") << text_of(identity.key.to_pem().reveal());
  }
  void hand_over_identity() {
    const Fd certificate(open((folder_ / "own.pem").c_str(), O_RDONLY | O_CLOEXEC));
    const Fd key(open((folder_ / "own.key.pem").c_str(), O_RDONLY | O_CLOEXEC));
    const std::array files{certificate.get(), key.get()};
    ASSERT_TRUE(relay_->channel()->send(ipc::encode_reload(), files));
  }

  ipc::Forward forward(Bytes body, std::uint32_t budget_ms = 20'000) {
    return {.id = ++last_id_,
            .url = "https://127.0.0.1:" + std::to_string(port_),
            .identity_certificate = identity_.certificate().der(),
            .key_id = {1, 2, 3},
            .budget_ms = budget_ms,
            .body = std::move(body)};
  }
  ipc::Forwarded next_answer() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, 30s, [&] { return !answers_.empty(); })) {
      ADD_FAILURE() << "no answer";
      return {};
    }
    ipc::Forwarded answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  ipc::Forwarded ask(const ipc::Forward& forward) {
    EXPECT_TRUE(relay_->channel()->send(forward.encode()));
    ipc::Forwarded answer = next_answer();
    EXPECT_EQ(answer.id, forward.id);
    return answer;
  }
  void expect_echo(const ipc::Forward& forward) {
    const auto answer = ask(forward);
    EXPECT_FALSE(answer.error) << answer.error->message();
    EXPECT_EQ(answer.body, forward.body);
  }
  void expect_error(const ipc::Forward& forward, Code code, const std::string& words) {
    const auto answer = ask(forward);
    ASSERT_TRUE(answer.error);
    EXPECT_EQ(answer.error->code(), code) << answer.error->message();
    EXPECT_NE(answer.error->message().find(words), std::string::npos) << answer.error->message();
  }

  front::TestAuthority ours_{"the asking agent"};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ipc::Forwarded> answers_;
  std::uint64_t last_id_ = 0;
  std::uint16_t port_ = 0;
  std::unique_ptr<ChildProcess> relay_;
};

TEST_F(Relay, AnswersPingsUntilItHangs) {
  ASSERT_TRUE(relay_->ping({.every = 10ms, .answered_within = 5s}));
  while (relay_->answered_pings() < 5) std::this_thread::sleep_for(1ms);
  ASSERT_EQ(kill(relay_->pid(), SIGSTOP), 0);
  pollfd event{relay_->handle(), POLLIN, 0};
  ASSERT_EQ(poll(&event, 1, 60'000), 1);
  EXPECT_EQ(relay_->reap(), "was killed by signal 9");
}

TEST_F(Relay, CarriesARequestAndItsAnswer) {
  ipc::Call seen{};
  answer_with([&](const auto&, const ipc::Call& call) {
    seen = call;
    return front::echo(call);
  });
  start_peer();
  const auto asked = forward(Bytes(3'000'000, 7));
  expect_echo(asked);
  answer_with_echo();  // nobody else writes `seen` from here on
  EXPECT_EQ(seen.route, ipc::Route::decrypt);
  EXPECT_EQ(seen.subject, to_hex(asked.key_id));
  EXPECT_LE(seen.budget_ms, 27'000u);
}

TEST_F(Relay, GivesThePeersRefusal) {
  answer_with([](const auto&, const ipc::Call& call) {
    ipc::Reply reply = front::echo(call);
    reply.body.clear();
    reply.error = Error(Code::replayed, "the request was answered before");
    return reply;
  });
  start_peer();
  const auto answer = ask(forward({1}));
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->code(), Code::replayed);
  EXPECT_EQ(answer.error->message(), "the request was answered before (request 00112233445566aa)");
}

TEST_F(Relay, KeepsConnections) {
  start_peer();
  harness::TcpProxy between("127.0.0.1:0", "127.0.0.1:" + std::to_string(port_));
  port_ = between.port();
  for (int i = 0; i < 20; ++i) expect_echo(forward({1, 2, 3}));
  EXPECT_EQ(between.connections(), 1);
  between.cut();  // stale: the next request is sent on a fresh one
  expect_echo(forward({4}));
  EXPECT_EQ(between.connections(), 2);
}

TEST_F(Relay, SurvivesAPeerThatCloses) {
  start_peer({.request_seconds = 5, .idle_seconds = 1, .connections = 100});
  expect_echo(forward({1}));
  std::this_thread::sleep_for(2s);
  expect_echo(forward({2}));
}

TEST_F(Relay, SpeaksOnlyToThePinnedIdentity) {
  start_peer();
  const front::TestAuthority other("the agent");  // the same name, another key
  auto asked = forward({1});
  asked.identity_certificate = other.certificate().der();
  expect_error(asked, Code::unauthenticated, "certificate");
  // A connection that matched one pin is not reused for another.
  expect_echo(forward({2}));
  expect_error(asked, Code::unauthenticated, "certificate");
  EXPECT_EQ(calls(), 1u);
  asked = forward({3});
  asked.url =
      "https://localhost:" + std::to_string(port_);  // a name that is found, and is not in the certificate
  expect_error(asked, Code::unauthenticated, "localhost");
  asked = forward({4});
  asked.identity_certificate = {1, 2, 3};
  expect_error(asked, Code::malformed, "certificate");
  for (const char* const url : {"http://127.0.0.1:1", "file:///etc/passwd", "", "gopher://127.0.0.1:1"}) {
    asked = forward({5});
    asked.url = url;
    EXPECT_TRUE(ask(asked).error) << url;
  }
  expect_echo(forward({6}));
}

TEST_F(Relay, IsHeardOnlyByWhomItsIdentityIsKnownTo) {
  start_peer();
  trust(front::TestAuthority("somebody else"));
  EXPECT_TRUE(ask(forward({1})).error);
  EXPECT_EQ(calls(), 0u);
  trust(ours_);
  expect_echo(forward({2}));
}

TEST_F(Relay, SaysWhoCannotBeReached) {
  {
    harness::TcpProxy nobody("127.0.0.1:0", "127.0.0.1:1");
    port_ = nobody.port();
  }
  expect_error(forward({1}), Code::unavailable, "cannot connect");
  auto asked = forward({2});
  asked.url = "https://no-such-host.invalid:1";
  expect_error(asked, Code::unavailable, "resolved");
}

TEST_F(Relay, KeepsTheTime) {
  answer_with([](const auto&, const ipc::Call&) { return std::optional<ipc::Reply>(); });
  start_peer();
  const auto start = std::chrono::steady_clock::now();
  expect_error(forward({1}, 500), Code::unavailable, "no answer within");
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  expect_error(forward({2}, 0), Code::unavailable, "time");
}

TEST_F(Relay, DoesNotLetOnePeerTakeEverything) {
  answer_with([](const auto&, const ipc::Call&) { return std::optional<ipc::Reply>(); });
  start_peer();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(relay_->channel()->send(forward({1}, 3'000).encode()));
  int limited = 0;
  int overdue = 0;
  for (int i = 0; i < 20; ++i) {
    const auto answer = next_answer();
    ASSERT_TRUE(answer.error);
    ++(answer.error->code() == Code::limited ? limited : overdue);
  }
  EXPECT_EQ(limited, 4);
  EXPECT_EQ(overdue, 16);
  answer_with_echo();
  expect_echo(forward({2}));
}

// One request checks whether the peer answers again; the others need not wait for that.
TEST_F(Relay, AsksAPeerThatGaveNoAnswerOneAtATime) {
  std::mutex mutex;
  std::shared_ptr<ipc::Channel> channel;
  std::optional<ipc::Call> held;
  answer_with([&](const std::shared_ptr<ipc::Channel>& from, const ipc::Call& call) {
    const std::lock_guard lock(mutex);
    channel = from;
    held = call;
    return std::optional<ipc::Reply>();
  });
  const auto wait_until_held = [&] {
    for (;; std::this_thread::sleep_for(5ms)) {
      const std::lock_guard lock(mutex);
      if (held) break;
    }
  };
  start_peer();
  expect_error(forward(Bytes{1}, 1'000), Code::unavailable, "no answer within");
  wait_until_held();
  {
    const std::lock_guard lock(mutex);
    held.reset();
  }
  const auto waits = forward(Bytes{2}, 25'000);
  ASSERT_TRUE(relay_->channel()->send(waits.encode()));
  wait_until_held();
  for (int i = 0; i < 5; ++i)
    expect_error(forward(Bytes{3}), Code::unavailable, "has not answered the request before");
  {
    const std::lock_guard lock(mutex);
    ASSERT_TRUE(channel->send(front::echo(*held).encode()));
  }
  const auto answered = next_answer();
  EXPECT_EQ(answered.id, waits.id);
  EXPECT_FALSE(answered.error);
  answer_with_echo();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(relay_->channel()->send(forward(Bytes{5}).encode()));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(next_answer().error);
}

TEST_F(Relay, ShowsItsNewCertificate) {
  start_peer();
  expect_echo(forward({1}));
  const front::TestAuthority later("the asking agent, later");
  write_identity(later.issue({.use = protocol::CertificateUse::agent}));
  hand_over_identity();
  EXPECT_TRUE(ask(forward({2})).error);  // the peer does not know that one
  trust(later);
  expect_echo(forward({3}));
  // A malformed certificate leaves the current one in use.
  std::ofstream(folder_ / "own.pem") << "nothing";
  hand_over_identity();
  expect_echo(forward({4}));
}

TEST_F(Relay, EndsWithItsChannel) {
  relay_->channel()->shutdown();
  pollfd event{relay_->handle(), POLLIN, 0};
  ASSERT_EQ(poll(&event, 1, 20'000), 1);
  EXPECT_EQ(relay_->reap(), "ended with status 0");
}

TEST_F(Relay, EndsOnAFrameThatIsNotForIt) {
  ASSERT_TRUE(relay_->channel()->send(ipc::encode_stop()));
  pollfd event{relay_->handle(), POLLIN, 0};
  ASSERT_EQ(poll(&event, 1, 20'000), 1);
  EXPECT_EQ(relay_->reap(), "ended with status 1");
}

// How the custodian's process treats a compromised relay: here a shell that writes to the channel.
TEST(HostileRelay, IsKilledForWhatNoRelaySends) {
  const auto folder = std::filesystem::temp_directory_path() / ("relay-test-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  for (const char* const bytes : {
           R"(\000\000\000\000)",              // an empty frame
           R"(\377\377\377\377)",              // a length that no frame has
           R"(\000\000\000\002\010\000)",      // half an answer
           R"(\000\000\000\003\004\001\002)",  // what only a front says
       }) {
    std::ofstream(folder / "relay") << "#!/bin/sh\nprintf '" << bytes << "' >&3; exec sleep 1000\n";
    std::filesystem::permissions(folder / "relay", std::filesystem::perms::owner_all);
    auto started = start_relay(folder / "relay", [](ipc::Forwarded) { ADD_FAILURE(); });
    ASSERT_TRUE(started) << started.error().message();
    pollfd event{(*started)->handle(), POLLIN, 0};
    ASSERT_EQ(poll(&event, 1, 20'000), 1);
    EXPECT_EQ((*started)->reap(), "was killed by signal 9") << bytes;
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace coprotect::agent
