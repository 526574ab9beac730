// No client can hold a connection for longer than the limits, however slowly it sends or reads.

#include <sys/socket.h>

#include "agent/front/test_front.h"

namespace coprotect::agent::front {
namespace {

const std::string kPost = "POST /v1/keys/" + std::string(64, 'a') + "/log HTTP/1.1\r\nHost: a\r\n";

constexpr auto kAtMost = 15s;  // the limit is one second, but a loaded machine may be late

class DeadlineTest : public FrontTest {
 protected:
  DeadlineTest() { start({.request_seconds = 1, .idle_seconds = 1, .connections = 100}); }

  // Sends a byte from time to time; returns how long the server permits that.
  std::chrono::milliseconds dribble(RawClient& client) {
    const auto begin = Clock::now();
    while (Clock::now() - begin < 2 * kAtMost) {
      if (client.closed_within(50ms) || !client.send("x")) break;
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
  }
};

TEST_F(DeadlineTest, CutsASilentConnection) {
  const Fd socket = RawClient::connect_plain(target().port);
  ASSERT_TRUE(socket);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const auto begin = Clock::now();
  char byte = 0;
  EXPECT_LE(recv(socket.get(), &byte, 1, 0), 0);
  EXPECT_LT(Clock::now() - begin, kAtMost);
}

TEST_F(DeadlineTest, CutsADribbledHandshake) {
  const Fd socket = RawClient::connect_plain(target().port);
  ASSERT_TRUE(socket);
  const timeval step{.tv_sec = 0, .tv_usec = 50'000};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &step, sizeof step);
  const auto begin = Clock::now();
  // The header of a 512-byte handshake record, then almost none of its content.
  send(socket.get(), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9, MSG_NOSIGNAL);
  char byte = 0;
  while (Clock::now() - begin < 2 * kAtMost) {
    if (recv(socket.get(), &byte, 1, 0) == 0 || send(socket.get(), "\x03", 1, MSG_NOSIGNAL) < 0) break;
  }
  EXPECT_LT(Clock::now() - begin, kAtMost);
}

TEST_F(DeadlineTest, CutsADribbledRequestLine) {
  auto client = RawClient::connect(target(), alice_);
  ASSERT_TRUE(client);
  EXPECT_LT(dribble(*client), kAtMost);
}

TEST_F(DeadlineTest, CutsADribbledHead) {
  auto client = RawClient::connect(target(), alice_);
  ASSERT_TRUE(client);
  ASSERT_TRUE(client->send(kPost + "X-Slow: "));
  EXPECT_LT(dribble(*client), kAtMost);
}

TEST_F(DeadlineTest, CutsADribbledBody) {
  auto client = RawClient::connect(target(), alice_);
  ASSERT_TRUE(client);
  ASSERT_TRUE(client->send(kPost + "Content-Length: 1000\r\n\r\n"));
  EXPECT_LT(dribble(*client), kAtMost);
  EXPECT_EQ(calls(), 0u);
}

TEST_F(DeadlineTest, CutsADribbledRequestLineOfAKeptConnection) {
  auto client = RawClient::connect(target(), alice_);
  ASSERT_TRUE(client);
  ASSERT_TRUE(client->send("GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(client->receive(300ms).starts_with("HTTP/1.1 200"));
  EXPECT_LT(dribble(*client), kAtMost);
}

TEST_F(DeadlineTest, CutsAnIdleConnection) {
  auto client = RawClient::connect(target(), alice_);
  ASSERT_TRUE(client);
  ASSERT_TRUE(client->send("GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_TRUE(client->closed_within(kAtMost));
}

TEST_F(DeadlineTest, KeepsABusyConnectionBeyondTheDeadlineOfOneRequest) {
  HttpClient client(target(), &alice_);
  for (const auto begin = Clock::now(); Clock::now() - begin < 2500ms;)
    ASSERT_EQ(client.get("/v1/health").status, 200u);
  EXPECT_EQ(client.connections(), 1);
}

TEST_F(DeadlineTest, SaysSoIfTheCustodianIsTooSlow) {
  answer_with([](const auto&, const auto&) { return std::nullopt; });
  HttpClient client(target(), &alice_);
  const Answer answer = client.get("/v1/health");
  EXPECT_EQ(answer.status, 503u);
  EXPECT_NE(answer.body.find("\"unavailable\""), std::string::npos);
  answer_with_echo();
  EXPECT_EQ(client.get("/v1/health").status, 200u);
}

TEST_F(DeadlineTest, CutsASlowReader) {
  answer_with([](const auto&, const ipc::Call& call) {
    ipc::Reply reply = echo(call);
    reply.body.assign(ipc::kMaxBody, 'x');
    return reply;
  });
  auto client = RawClient::connect(target(), alice_);
  ASSERT_TRUE(client);
  ASSERT_TRUE(client->send("GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n"));
  // Reads nothing until the server has given up, which shows as an error or an end, far before the last byte.
  pollfd event{client->socket(), POLLRDHUP, 0};
  EXPECT_EQ(poll(&event, 1, 20'000), 1);
  EXPECT_LT(client->receive(5s).size(), ipc::kMaxBody);
}

}  // namespace
}  // namespace coprotect::agent::front
