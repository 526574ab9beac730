#include <nlohmann/json.hpp>

#include "agent/front/problem.h"
#include "agent/front/test_front.h"

namespace coprotect::agent::front {
namespace {

using namespace std::string_literals;

const std::string kKeyPath = "/v1/keys/" + std::string(64, 'a');

class HttpTest : public FrontTest {
 protected:
  void is_problem(const Answer& answer, unsigned status, std::string_view code) {
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.headers.at("content-type"), "application/problem+json");
    const auto json = nlohmann::json::parse(answer.body, nullptr, false);
    ASSERT_TRUE(json.is_object()) << answer.body;
    EXPECT_EQ(json["code"], code);
    EXPECT_EQ(json["status"], status);
    EXPECT_EQ(json["request_id"].get<std::string>().size(), 16u);
    EXPECT_EQ(json["request_id"], answer.headers.at("x-request-id"));
  }
};

TEST_F(HttpTest, PassesARequestOnAndItsReplyBack) {
  answer_with([](const auto&, const ipc::Call& call) {
    EXPECT_EQ(call.route, ipc::Route::partial_decrypt);
    EXPECT_EQ(call.subject, std::string(64, 'a'));
    EXPECT_GT(call.budget_ms, 20'000u);
    EXPECT_LE(call.budget_ms, 30'000u);
    return echo(call);
  });
  start();
  HttpClient client(target(), &alice_);
  std::string body("a\0b\xff", 4);
  const Answer answer = client.post(kKeyPath + "/partial-decrypt", body);
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body, body);
  EXPECT_EQ(answer.headers.at("content-type"), "application/octet-stream");
  EXPECT_EQ(answer.headers.at("x-request-id"), "00112233445566aa");
  answer_with_echo();
  EXPECT_EQ(client.get("/v1/health").headers.at("content-type"), "application/json");
}

TEST_F(HttpTest, TellsEachErrorAsAProblem) {
  std::atomic<Code> code = Code::malformed;
  answer_with([&code](const auto&, const ipc::Call& call) {
    ipc::Reply reply = echo(call);
    reply.body.clear();
    reply.error.emplace(code, "because");
    return reply;
  });
  start();
  HttpClient client(target(), &alice_);
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
    code = static_cast<Code>(i);
    const Answer answer = client.post(kKeyPath + "/log", "x");
    is_problem(answer, http_status(code), code_name(code));
    EXPECT_EQ(nlohmann::json::parse(answer.body)["detail"], "because");
  }
  answer_with_echo();  // `code` ends here
}

TEST_F(HttpTest, KnowsOnlyTheInterface) {
  start();
  HttpClient client(target(), &alice_);
  is_problem(client.get("/"), 404, "not-found");
  is_problem(client.get("/v1/health/"), 404, "not-found");
  is_problem(client.get("/v1/health?x=1"), 404, "not-found");
  is_problem(client.get("/v1/heal%74h"), 404, "not-found");
  is_problem(client.get("/v1/tenants/../health"), 404, "not-found");
  is_problem(client.post("/v1/nothing", "x"), 404, "not-found");
  const Answer wrong_method = client.get("/v1/ceremonies");
  is_problem(wrong_method, 405, "malformed");
  EXPECT_EQ(wrong_method.headers.at("allow"), "POST");
  is_problem(client.run("DELETE", "/v1/tenants/acme/clients", std::nullopt), 405, "malformed");
  EXPECT_EQ(calls(), 0u);
}

TEST_F(HttpTest, CarriesTheLargestBody) {
  start();
  HttpClient client(target(), &alice_);
  const std::string body(ipc::kMaxBody, 'x');
  const Answer answer = client.post(kKeyPath + "/log", body);
  EXPECT_EQ(answer.status, 200u);
  EXPECT_TRUE(answer.body == body);
}

TEST_F(HttpTest, RefusesALargerBody) {
  start();
  const std::string body(ipc::kMaxBody + 1, 'x');
  HttpClient announced(target(), &alice_);  // libcurl waits for "100 Continue"
  is_problem(announced.post(kKeyPath + "/log", body), 413, "malformed");
  HttpClient chunked(target(), &alice_);
  chunked.chunked();
  is_problem(chunked.post(kKeyPath + "/log", body), 413, "malformed");
  EXPECT_EQ(calls(), 0u);
}

TEST_F(HttpTest, RefusesABodyWhereNoneBelongs) {
  start();
  HttpClient client(target(), &alice_);
  is_problem(client.run("GET", "/v1/health", "body"), 413, "malformed");
  EXPECT_EQ(calls(), 0u);
}

TEST_F(HttpTest, RefusesALargeHead) {
  start();
  HttpClient small(target(), &alice_);
  small.header("X-Filler: " + std::string(12'000, 'x'));
  EXPECT_EQ(small.get("/v1/health").status, 200u);
  HttpClient large(target(), &alice_);
  large.header("X-Filler: " + std::string(17'000, 'x'));
  EXPECT_EQ(large.get("/v1/health").status, 431u);
  HttpClient larger(target(), &alice_);
  larger.header("X-Filler: " + std::string(90'000, 'x'));
  EXPECT_EQ(larger.get("/v1/health").status, 431u);
  EXPECT_EQ(calls(), 1u);
}

TEST_F(HttpTest, KeepsConnections) {
  start();
  HttpClient client(target(), &alice_);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.post(kKeyPath + "/log", std::to_string(i)).body, std::to_string(i));
    EXPECT_EQ(client.get("/none").status, 404u);
    EXPECT_EQ(client.post("/none", "body").status, 404u);
  }
  EXPECT_EQ(client.connections(), 1);
}

TEST_F(HttpTest, ServesManyAtOnce) {
  // Answered in the reverse order, so that all wait at the same time.
  constexpr std::size_t kClients = 8;
  std::vector<ipc::Call> waiting;
  answer_with([&waiting](const std::shared_ptr<ipc::Channel>& channel, const ipc::Call& call) {
    waiting.push_back(call);
    if (waiting.size() == kClients)
      for (auto each = waiting.rbegin(); each != waiting.rend(); ++each)
        (void)channel->send(echo(*each).encode());
    return std::optional<ipc::Reply>();
  });
  start();
  std::vector<std::jthread> clients;
  for (std::size_t i = 0; i < kClients; ++i)
    clients.emplace_back([this, i] {
      HttpClient client(target(), &alice_);
      EXPECT_EQ(client.post(kKeyPath + "/log", std::to_string(i)).body, std::to_string(i));
    });
  clients.clear();
  answer_with_echo();  // `waiting` ends here
}

// Answered once, with a problem, and the connection ends.
TEST_F(HttpTest, RefusesWhatIsNotHttp) {
  start();
  const std::string post = "POST " + kKeyPath + "/log HTTP/1.1\r\nHost: a\r\n";
  for (const std::string& text : {
           "\r\n\r\n\r\n"s,
           "GET\r\n\r\n"s,
           "GET / HTTP/9.9\r\n\r\n"s,
           "\x16\x03\x01"s,
           "GET /v1/health HTTP/1.1\r\n\r\n"s,
           "GET /v1/health HTTP/1.1\r\nHost a\r\n\r\n"s,
           "GET /v1/health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"s,
           "GET /v1/health HTTP/1.1\nHost: a\n\n"s,
           "GET /v1/health HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n"s,
           "GET /v1/health HTTP/1.1\r\nHost: a\0b\r\n\r\n"s,
           "GET /v1/health HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"s,
           "GET /v1/health HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"s,
           "GET /v1/health HTTP/1.1\r\nHost : a\r\n\r\n"s,
           post + "Content-Length: x\r\n\r\n",
           post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
           post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
           post + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked \t\r\n\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n1234567890123456\r\nx\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n\r\nx\r\n0\r\n\r\n",
           post + "Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
       }) {
    for (const bool at_once : {true, false}) {
      auto client = RawClient::connect(target(), alice_);
      ASSERT_TRUE(client);
      if (at_once)
        ASSERT_TRUE(client->send(text));
      else
        for (const char c : text)
          if (!client->send({&c, 1})) break;  // it may have ended before the last byte
      const std::string answer = client->receive(20s);
      EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << text << answer;
      EXPECT_EQ(answer.find("HTTP/1.1 4", 1), std::string::npos) << answer;
      EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos) << answer;
      EXPECT_NE(answer.find("\"code\":\"malformed\""), std::string::npos) << answer;
    }
  }
  EXPECT_EQ(calls(), 0u);
  HttpClient client(target(), &alice_);
  EXPECT_EQ(client.get("/v1/health").status, 200u);
}

TEST_F(HttpTest, AnswersWhatCameBeforeAFault) {
  start();
  const std::string good = "GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n";
  auto client = RawClient::connect(target(), alice_);
  ASSERT_TRUE(client);
  ASSERT_TRUE(client->send(good + good + "GET /v1/health HTTP/1.1\r\nHost : a\r\n\r\n" + good));
  const std::string answers = client->receive(20s);
  std::vector<std::string> statuses;
  for (std::size_t at = 0; (at = answers.find("HTTP/1.1 ", at)) != std::string::npos; ++at)
    statuses.push_back(answers.substr(at + 9, 3));
  EXPECT_EQ(statuses, (std::vector<std::string>{"200", "200", "400"})) << answers;
  EXPECT_EQ(calls(), 2u);
}

TEST_F(HttpTest, RefusesLargeHeadsItself) {
  start();
  // As much as it takes reaches the custodian: libmicrohttpd has no smaller limit of its own.
  std::string many;
  for (int i = 0; i < 99; ++i) many += "X" + std::to_string(i) + ": " + std::string(140, 'x') + "\r\n";
  auto accepted = RawClient::connect(target(), alice_);
  ASSERT_TRUE(accepted);
  ASSERT_TRUE(accepted->send("GET /v1/health HTTP/1.1\r\nHost: a\r\n" + many + "\r\n"));
  EXPECT_TRUE(accepted->receive(20s, "\r\n\r\n").starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(calls(), 1u);
  for (const std::size_t size : {17'000u, 90'000u}) {
    auto client = RawClient::connect(target(), alice_);
    ASSERT_TRUE(client);
    ASSERT_TRUE(
        client->send("GET /v1/health HTTP/1.1\r\nHost: a\r\nX: " + std::string(size, 'x') + "\r\n\r\n"));
    const std::string answer = client->receive(20s);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
    EXPECT_NE(answer.find("\"code\":\"malformed\""), std::string::npos) << answer;
  }
  EXPECT_EQ(calls(), 1u);
}

}  // namespace
}  // namespace coprotect::agent::front
