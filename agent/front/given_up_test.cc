// The custodian is told when nobody waits for an answer any more.

#include "agent/front/test_front.h"

namespace coprotect::agent::front {
namespace {

const std::string kRequest = "GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n";

class GivenUpTest : public FrontTest {
 protected:
  // Stops answering calls.
  void hold() {
    answer_with([this](const auto& channel, const ipc::Call& call) {
      channel_ = channel;
      call_ = call.id;
      return std::nullopt;
    });
  }
  // Connected, with a request that the custodian has.
  RawClient asking() {
    call_ = 0;
    auto client = RawClient::connect(target(), alice_);
    EXPECT_TRUE(client && client->send(kRequest));
    for (const auto end = Clock::now() + 20s; call_ == 0 && Clock::now() < end;)
      std::this_thread::sleep_for(5ms);
    EXPECT_NE(call_, 0u);
    return *std::move(client);
  }

  std::atomic<std::uint64_t> call_ = 0;
  std::shared_ptr<ipc::Channel> channel_;
};

TEST_F(GivenUpTest, WhenTheClientCloses) {
  start({.requests_per_client = 1});
  hold();
  std::optional<RawClient> client = asking();
  const std::uint64_t first = call_;
  client.reset();
  EXPECT_TRUE(is_given_up(first));
  // And its place is free.
  answer_with_echo();
  EXPECT_EQ(HttpClient(target(), &alice_).get("/v1/health").status, 200u);
}

TEST_F(GivenUpTest, WhenTheClientIsCutOff) {
  start();
  hold();
  RawClient client = asking();
  cut(client.socket());
  EXPECT_TRUE(is_given_up(call_));
}

TEST_F(GivenUpTest, WhenTheTimeIsOver) {
  start({.request_seconds = 1});
  hold();
  RawClient client = asking();
  EXPECT_TRUE(is_given_up(call_));
  EXPECT_TRUE(client.receive(10s, "unavailable").starts_with("HTTP/1.1 503"));
}

TEST_F(GivenUpTest, NotWhileTheClientWaits) {
  start();
  hold();
  RawClient client = asking();
  RawClient other = asking();
  const std::uint64_t second = call_;
  shutdown(other.socket(), SHUT_RDWR);
  ASSERT_TRUE(is_given_up(second));
  EXPECT_FALSE(given_up(second - 1));
  const ipc::Reply reply{
      .id = second - 1, .error = std::nullopt, .request_id = "00112233445566aa", .body = Bytes{'o', 'k'}};
  ASSERT_TRUE(channel_->send(reply.encode()));
  EXPECT_TRUE(client.receive(10s, "ok").starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace coprotect::agent::front
