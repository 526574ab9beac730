// One client's requests under way do not block the others.

#include <nlohmann/json.hpp>

#include <array>

#include "agent/front/test_front.h"

namespace coprotect::agent::front {
namespace {

const std::string kLogPath = "/v1/keys/" + std::string(64, 'a') + "/log";
constexpr std::size_t kMib = std::size_t{1} << 20;

class LimitsTest : public FrontTest {
 protected:
  ~LimitsTest() override {
    front_.reset();  // ends the requests that wait
    waiting_.clear();
  }

  // Stops answering `log`; answers everything else.
  void hold_log_requests() {
    answer_with([](const auto&, const ipc::Call& call) {
      return call.route == ipc::Route::log ? std::nullopt : std::optional(echo(call));
    });
  }
  // Puts this many requests under way at the custodian.
  void begin(const Identity& identity, unsigned requests, std::size_t size = 1) {
    const unsigned before = calls();
    for (unsigned i = 0; i < requests; ++i)
      waiting_.emplace_back([this, &identity, size] {
        HttpClient client(target(), &identity);
        client.post(kLogPath, std::string(size, 'x'));
      });
    for (const auto end = Clock::now() + 20s; calls() < before + requests && Clock::now() < end;)
      std::this_thread::sleep_for(5ms);
    ASSERT_EQ(calls(), before + requests);
  }
  // Starts the front, and puts this many of alice's requests under way.
  void start_and_begin(const Config::Limits& limits, unsigned requests, std::size_t size = 1) {
    hold_log_requests();
    start(limits);
    begin(alice_, requests, size);
  }
  // The answer to a short request, on a connection of its own.
  Answer ask(const Identity& identity) { return HttpClient(target(), &identity).get("/v1/health"); }
  // A connection on which alice has sent this; none if she could not.
  std::optional<RawClient> alice_sends(std::string_view text) {
    auto client = RawClient::connect(target(), alice_);
    if (client && !client->send(text)) client.reset();
    return client;
  }
  static void expect_problem(const Answer& answer, unsigned status, std::string_view code) {
    EXPECT_EQ(answer.status, status);
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    ASSERT_TRUE(json.is_object()) << answer.body;
    EXPECT_EQ(json["code"], code);
    ASSERT_TRUE(answer.headers.contains("retry-after"));
    EXPECT_EQ(answer.headers.at("retry-after"), "1");
  }

  const Identity bob_ = acme_.client();
  std::vector<std::jthread> waiting_;
};

TEST_F(LimitsTest, ClientHasSoManyRequestsUnderWay) {
  start_and_begin({.requests_per_client = 3}, 3);
  expect_problem(ask(alice_), 429, "limited");
  EXPECT_EQ(ask(bob_).status, 200u);
}

TEST_F(LimitsTest, FrontSaysHowMuchOfEachIsInUseAndHowOftenItWasHit) {
  start_and_begin({.requests_per_client = 3}, 3, std::size_t{2} << 20);
  expect_problem(ask(alice_), 429, "limited");
  const Fd stranger = RawClient::connect_plain(target().port);
  std::this_thread::sleep_for(200ms);
  const ipc::Usage usage = this->usage();
  EXPECT_EQ(usage[ipc::FrontLimit::requests_per_client].use, 3u);
  EXPECT_EQ(usage[ipc::FrontLimit::requests_per_client].hits, 1u);
  EXPECT_EQ(usage[ipc::FrontLimit::requests_per_tenant].use, 3u);
  EXPECT_EQ(usage[ipc::FrontLimit::requests_per_tenant].hits, 0u);
  EXPECT_EQ(usage[ipc::FrontLimit::requests].use, 3u);
  EXPECT_EQ(usage[ipc::FrontLimit::requests_of_peers].use, 0u);
  EXPECT_EQ(usage[ipc::FrontLimit::body_mib_per_client].use, 6u);
  EXPECT_GE(usage[ipc::FrontLimit::connections].use, 3u);
  EXPECT_EQ(usage[ipc::FrontLimit::connections_for_strangers].use, 1u);
  EXPECT_EQ(usage[ipc::FrontLimit::connections_per_address].use, 1u);
}

// The client is its key, not its certificate.
TEST_F(LimitsTest, RenewedCertificateIsTheSameClient) {
  start_and_begin({.requests_per_client = 1}, 1);
  const Identity renewed = acme_.renew(alice_);
  expect_problem(ask(renewed), 429, "limited");
}

TEST_F(LimitsTest, EndedRequestMakesRoom) {
  start({.requests_per_client = 1});
  HttpClient alice(target(), &alice_);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(alice.get("/v1/health").status, 200u);
    EXPECT_EQ(alice.post(kLogPath, "x").status, 200u);
    EXPECT_EQ(alice.post("/none", "x").status, 404u);
  }
}

// The tenant is the authority that certified the client.
TEST_F(LimitsTest, TenantHasSoManyRequestsUnderWay) {
  const TestAuthority bolt("bolt clients");
  const Identity carol = acme_.client();
  const Identity dave = bolt.client();
  hold_log_requests();
  start({.requests_per_tenant = 2});
  send_trust({&acme_, &bolt});
  await_taken();
  begin(alice_, 1);
  begin(bob_, 1);
  expect_problem(ask(carol), 429, "limited");
  EXPECT_EQ(ask(dave).status, 200u);
}

// So that a CA cannot count its clients as another tenant's.
TEST_F(LimitsTest, TellsTheCustodianWhoCertifiedTheClient) {
  std::mutex mutex;
  std::vector<std::string> authorities;
  answer_with([&](const auto&, const ipc::Call& call) {
    const std::lock_guard lock(mutex);
    authorities.push_back(call.authority);
    return echo(call);
  });
  const TestAuthority imitator = acme_.imitated();
  const Identity dave = imitator.client();
  start();
  send_trust({&acme_, &imitator});
  await_taken();
  for (const Identity* const client : std::array<const Identity*, 3>{&alice_, &bob_, &dave})
    EXPECT_EQ(ask(*client).status, 200u);
  answer_with_echo();  // nobody else writes `authorities` from here on
  const std::lock_guard lock(mutex);
  ASSERT_EQ(authorities.size(), 3u);
  EXPECT_EQ(authorities[0], to_hex(acme_.certificate().key_hash()));
  EXPECT_EQ(authorities[1], authorities[0]);
  EXPECT_EQ(authorities[2], to_hex(imitator.certificate().key_hash()));
}

TEST_F(LimitsTest, AllTogetherHaveSoManyRequestsUnderWay) {
  start_and_begin({.requests = 2}, 2);
  expect_problem(ask(bob_), 503, "unavailable");
}

// The answer comes before the body.
TEST_F(LimitsTest, AnswerDoesNotWaitForTheBody) {
  start_and_begin({.requests_per_client = 1}, 1);
  auto client = alice_sends("POST " + kLogPath + " HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
  ASSERT_TRUE(client);
  const std::string answer = client->receive(5s, "}");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 429")) << answer;
  EXPECT_NE(answer.find("Retry-After: 1\r\n"), std::string::npos) << answer;
}

// The answer reaches a client that sends the whole body before it reads.
TEST_F(LimitsTest, AnswerReachesAClientThatIsStillSending) {
  start_and_begin({.requests_per_client = 1}, 1);
  for (int i = 0; i < 10; ++i) {
    auto client = alice_sends("POST " + kLogPath + " HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
    ASSERT_TRUE(client);
    ASSERT_TRUE(client->send(std::string(4'000'000, 'x'))) << i;
    EXPECT_TRUE(client->receive(5s, "}").starts_with("HTTP/1.1 429")) << i;
  }
}

TEST_F(LimitsTest, ClientHasSoManyBytesUnderWay) {
  start_and_begin({.body_mib = 64, .body_mib_per_client = 8}, 1, 6 * kMib);
  HttpClient alice(target(), &alice_);
  expect_problem(alice.post(kLogPath, std::string(3 * kMib, 'x')), 429, "limited");
  HttpClient chunked(target(), &alice_);
  chunked.chunked();
  expect_problem(chunked.post(kLogPath, std::string(3 * kMib, 'x')), 429, "limited");
  EXPECT_EQ(alice.get("/v1/health").status, 200u);
  begin(bob_, 1, 6 * kMib);
}

TEST_F(LimitsTest, AreReloaded) {
  start_and_begin({.requests_per_client = 2}, 1);
  HttpClient alice(target(), &alice_);
  EXPECT_EQ(alice.get("/v1/health").status, 200u);
  send_limits({.requests_per_client = 1});
  await_taken();
  expect_problem(alice.get("/v1/health"), 429, "limited");
}

TEST_F(LimitsTest, IdleConnectionGivesWay) {
  start({.connections = 6, .connections_for_strangers = 2, .connections_for_peers = 1});
  HttpClient first(target(), &alice_);
  ASSERT_EQ(first.get("/v1/health").status, 200u);
  std::vector<std::unique_ptr<HttpClient>> others;
  for (int i = 0; i < 6; ++i) {
    others.push_back(std::make_unique<HttpClient>(target(), &bob_));
    ASSERT_EQ(others.back()->get("/v1/health").status, 200u);
  }
  EXPECT_EQ(first.get("/v1/health").status, 200u);
  EXPECT_EQ(first.connections(), 1);  // it is bob who has too many
}

TEST_F(LimitsTest, SaysSoIfNoConnectionIsIdle) {
  start_and_begin({.connections = 8, .connections_for_strangers = 4, .connections_for_peers = 1}, 3);
  expect_problem(ask(bob_), 503, "unavailable");
}

// An unfinished request does not protect its connection, which gives way like an idle one.
TEST_F(LimitsTest, UnfinishedHeadGivesWay) {
  start({.connections = 8, .connections_for_strangers = 4, .connections_for_peers = 1});
  std::vector<RawClient> dribblers;
  for (int i = 0; i < 3; ++i) {
    auto client = alice_sends("GET /v1/health HTTP/1.1\r\nX-Slow: ");
    ASSERT_TRUE(client);
    dribblers.push_back(std::move(*client));
  }
  EXPECT_EQ(ask(bob_).status, 200u);
}

// Nor does a refused request, whether its client's CA was removed or its path is unknown.
TEST_F(LimitsTest, RefusedRequestsGiveWay) {
  const TestAuthority bolt("bolt clients");
  start({.connections = 8, .connections_for_strangers = 4, .connections_for_peers = 1});
  std::vector<RawClient> refused;
  for (int i = 0; i < 3; ++i) {
    auto client = alice_sends("GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(client);
    ASSERT_TRUE(client->receive(20s, "\r\n\r\n").starts_with("HTTP/1.1 200"));
    refused.push_back(std::move(*client));
  }
  const auto begin_to_ask = [](RawClient& client, const std::string& path) {
    ASSERT_TRUE(client.send("POST " + path +
                            " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"));
    // The front has read the head, and waits for the body.
    ASSERT_TRUE(client.receive(20s, "\r\n\r\n").ends_with("HTTP/1.1 100 Continue\r\n\r\n"));
  };
  begin_to_ask(refused.front(), "/none");
  send_trust({&bolt});
  await_taken();
  begin_to_ask(refused[1], kLogPath);
  begin_to_ask(refused[2], kLogPath);
  const std::array others = {bolt.client(), bolt.client(), bolt.client()};
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (const Identity& other : others) {
    clients.push_back(std::make_unique<HttpClient>(target(), &other));
    EXPECT_EQ(clients.back()->get("/v1/health").status, 200u) << clients.size();
  }
}

}  // namespace
}  // namespace coprotect::agent::front
