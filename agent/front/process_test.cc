// The life cycle of the process, and its reaction to a misbehaving custodian.

#include <signal.h>

#include <fstream>

#include "agent/front/test_front.h"

namespace coprotect::agent::front {
namespace {

using ProcessTest = FrontTest;

std::string status_line(pid_t pid, const std::string& name) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name + ":")) return line.substr(line.find_last_of(" \t") + 1);
  return "";
}

TEST_F(ProcessTest, IsConfinedWhenItIsReady) {
  start();
  EXPECT_EQ(status_line(front_->pid(), "NoNewPrivs"), "1");
  EXPECT_EQ(status_line(front_->pid(), "Seccomp"), "2");
  EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(front_->pid()) + "/environ") &&
               std::ifstream("/proc/" + std::to_string(front_->pid()) + "/environ").get() != EOF);
}

TEST_F(ProcessTest, EndsWithItsChannel) {
  start();
  front_->channel()->shutdown();
  EXPECT_EQ(await_end(), "ended with status 1");
}

TEST_F(ProcessTest, EndsOnAFrameThatNoCustodianSends) {
  for (const Bytes& frame : {Bytes{0}, Bytes{200, 1, 2}, Bytes{2, 1}, Bytes{3, 0, 0, 0, 9},
                             ipc::Ready{.port = 1}.encode(), Bytes{3, 0, 0, 0, 1, 0, 1, 7}}) {
    start();
    ASSERT_TRUE(front_->channel()->send(frame));
    EXPECT_EQ(await_end(), "ended with status 1");
  }
}

TEST_F(ProcessTest, EndsOnLimitsThatNoCustodianSends) {
  start();
  send_limits({.requests = 0});
  EXPECT_EQ(await_end(), "ended with status 1");
}

TEST_F(ProcessTest, IgnoresAReplyThatNobodyWaitsFor) {
  start();
  ASSERT_TRUE(front_->channel()->send(
      ipc::Reply{.id = 99, .error = {}, .request_id = "0123456789abcdef", .body = {}}.encode()));
  HttpClient client(target(), &alice_);
  EXPECT_EQ(client.get("/v1/health").status, 200u);
}

TEST_F(ProcessTest, AnswersPingsUntilItHangs) {
  start();
  ASSERT_TRUE(front_->ping({.every = 10ms, .answered_within = 5s}));
  HttpClient client(target(), &alice_);
  while (front_->answered_pings() < 5) EXPECT_EQ(client.get("/v1/health").status, 200u);
  ASSERT_EQ(kill(front_->pid(), SIGSTOP), 0);
  EXPECT_EQ(await_end(), "was killed by signal 9");
}

TEST_F(ProcessTest, DoesNotStartWithoutItsFiles) {
  Config config{};
  config.listen = "127.0.0.1:0";
  config.tls = {.certificate = folder_ / "none.pem", .key = folder_ / "none.key.pem"};
  auto started = start_front(front_arguments(COPROTECT_FRONT, config),
                             {[](auto, auto) {}, [](auto) {}, [](auto, auto) {}});
  ASSERT_TRUE(started);
  front_ = std::move(*started);
  EXPECT_EQ(await_end(), "ended with status 1");
}

TEST_F(ProcessTest, StopsAtOnceIfNothingRuns) {
  start();
  HttpClient idle(target(), &alice_);
  EXPECT_EQ(idle.get("/v1/health").status, 200u);
  ASSERT_TRUE(front_->channel()->send(ipc::encode_stop()));
  EXPECT_EQ(await_end(), "ended with status 0");
}

TEST_F(ProcessTest, StopsWhenRunningRequestsAreAnswered) {
  std::promise<ipc::Call> called;
  answer_with([&called](const auto&, const ipc::Call& call) {
    called.set_value(call);
    return std::optional<ipc::Reply>();
  });
  start();
  HttpClient second(target(), &alice_);
  Answer answer;
  std::jthread client([&] {
    HttpClient http(target(), &alice_);
    answer = http.post("/v1/ceremonies", "running");
  });
  const ipc::Call call = called.get_future().get();
  ASSERT_TRUE(front_->channel()->send(ipc::encode_stop()));
  pollfd event{front_->handle(), POLLIN, 0};
  EXPECT_EQ(poll(&event, 1, 300), 0);  // waits for the answer
  EXPECT_EQ(second.get("/v1/health").status, 0u);
  ASSERT_TRUE(front_->channel()->send(echo(call).encode()));
  EXPECT_EQ(await_end(), "ended with status 0");
  client.join();
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body, "running");
}

TEST_F(ProcessTest, DeathIsSeenByItsParent) {
  start();
  HttpClient client(target(), &alice_);
  EXPECT_EQ(client.get("/v1/health").status, 200u);
  ASSERT_EQ(kill(front_->pid(), SIGKILL), 0);
  EXPECT_EQ(await_end(), "was killed by signal 9");
  EXPECT_EQ(client.get("/v1/health").status, 0u);
}

}  // namespace
}  // namespace coprotect::agent::front
