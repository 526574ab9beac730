#include "client/agent_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "client/tls_server.h"
#include "protocol/base/fd.h"
#include "protocol/file/utc_time.h"
#include "protocol/x509/issue.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

using namespace std::chrono_literals;
using protocol::Certificate;
using protocol::CertificateUse;
using protocol::SigningKey;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

struct Authority {
  SigningKey key = SigningKey::generate(system_random());
  Certificate certificate;

  explicit Authority(const std::string& name)
      : certificate(*issue_certificate(request(name, CertificateUse::authority), key.public_key(), nullptr,
                                       key, system_random())) {}
  static protocol::CertificateRequest request(const std::string& name, CertificateUse use) {
    return {.common_name = name,
            .use = use,
            .uris = {},
            .hosts = {},
            .not_before_ms = now_ms() - 3'600'000,
            .not_after_ms = now_ms() + 3'600'000};
  }
  Certificate issue(const SigningKey& subject, CertificateUse use,
                    const std::vector<std::string>& hosts) const {
    auto wanted = request("somebody", use);
    wanted.hosts = hosts;
    return *issue_certificate(wanted, subject.public_key(), &certificate, key, system_random());
  }
};

class AgentClientTest : public testing::Test {
 protected:
  const Authority identity{"company agent"};
  const Authority clients{"acme clients"};
  const SigningKey tls_key = SigningKey::generate(system_random());
  const SigningKey client_key = SigningKey::generate(system_random());
  const Certificate server_certificate = identity.issue(tls_key, CertificateUse::server, {"127.0.0.1"});
  const Certificate client_certificate = clients.issue(client_key, CertificateUse::client, {});

  TlsServer::Settings settings() const {
    return {.certificate = server_certificate, .key = &tls_key, .client_ca = &clients.certificate};
  }
  AgentClient client(const std::string& url, std::chrono::milliseconds deadline = 30s) const {
    return AgentClient({.party = "company", .url = url, .identity_certificate = identity.certificate},
                       {.chain = {client_certificate}, .key = &client_key}, deadline);
  }
  // A client whose certificate is valid from and to this many milliseconds from now.
  AgentClient client_valid(const std::string& url, std::int64_t from, std::int64_t to,
                           const char* uri) const {
    auto wanted = Authority::request("alice", CertificateUse::client);
    wanted.uris = {uri};
    wanted.not_before_ms = now_ms() + from;
    wanted.not_after_ms = now_ms() + to;
    return AgentClient({.party = "company", .url = url, .identity_certificate = identity.certificate},
                       {.chain = {*issue_certificate(wanted, client_key.public_key(), &clients.certificate,
                                                     clients.key, system_random())},
                        .key = &client_key},
                       30s);
  }
  static std::string ok(const std::string&) {
    return http_answer("200 OK", "application/octet-stream", "done");
  }

  static void expect_error(const Result<Bytes>& answer, Code code, const std::string& message) {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), code) << answer.error().message();
    EXPECT_TRUE(answer.error().message().find(message) != std::string::npos) << answer.error().message();
  }
};

TEST_F(AgentClientTest, SendsAndReceivesOverOneConnection) {
  std::vector<std::string> seen;
  TlsServer server(settings(), [&](const std::string& request) {
    seen.push_back(request);
    return http_answer("200 OK", "application/octet-stream", std::string("a\0b", 3));
  });
  {
    AgentClient agent = client(server.url());
    const std::string large(3'000'000, 'x');
    const auto got = agent.get("/v1/health");
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(*got, (Bytes{'a', 0, 'b'}));
    AgentClient moved = std::move(agent);
    EXPECT_TRUE(moved.post("/v1/x", bytes_of(large)));
    EXPECT_TRUE(moved.post("/v1/empty", {}));
    EXPECT_TRUE(moved.put("/v1/y", bytes_of("body")));
  }
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_TRUE(seen[0].starts_with("GET /v1/health HTTP/1.1\r\n"));
  EXPECT_TRUE(seen[1].starts_with("POST /v1/x HTTP/1.1\r\n"));
  EXPECT_TRUE(seen[1].find("Content-Type: application/octet-stream\r\n") != std::string::npos);
  EXPECT_TRUE(seen[1].find("Expect:") == std::string::npos);
  EXPECT_TRUE(seen[1].ends_with("xxxx"));
  EXPECT_TRUE(seen[2].find("Content-Length: 0\r\n") != std::string::npos);
  EXPECT_TRUE(seen[3].starts_with("PUT /v1/y HTTP/1.1\r\n"));
  EXPECT_TRUE(seen[3].ends_with("\r\n\r\nbody"));
  EXPECT_EQ(server.connections(), 1);
}

// This is not an agent's fault, and no recovery code helps.
TEST_F(AgentClientTest, SaysThatThisProgramLacksDescriptors) {
  const std::string nobody = "https://127.0.0.1:1/";
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const auto used = static_cast<rlim_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                                      std::filesystem::directory_iterator())) -
                    1;
  bool enough = false;
  for (rlim_t more = 0; more < 16 && !enough; ++more) {
    AgentClient agent = client(nobody);
    const rlimit few{.rlim_cur = used + more, .rlim_max = before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    const auto got = agent.get("/v1/health");
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(got);
    enough = got.error().code() == Code::unavailable;
    if (enough)
      EXPECT_GT(more, 0u);
    else
      expect_error(got, Code::internal, "too many open files (ulimit -n)");
  }
  EXPECT_TRUE(enough);
}

TEST_F(AgentClientTest, GivesTheAgentsErrors) {
  TlsServer server(settings(), [](const std::string&) {
    return http_answer("403 Forbidden", "application/problem+json",
                       R"({"code":"denied","detail":"policy says no","request_id":"7f3a91c2"})");
  });
  const auto answer = client(server.url()).post("/v1/x", {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Code::denied);
  EXPECT_EQ(answer.error().message(), "company agent \"127.0.0.1:" + std::to_string(server.port()) +
                                          "\": denied: policy says no (request 7f3a91c2)");
  // An agent signs every answer to a signed request, so this is not the agent's verdict.
  const auto asked = client(server.url()).ask("/v1/x", {});
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().code(), Code::unavailable);
  EXPECT_NE(asked.error().message().find(
                "it could not be asked: an answer that it did not sign says \"denied: policy says no"),
            std::string::npos)
      << asked.error().message();
}

// A side that lacks memory or descriptors sends "internal error" in TLS. It does not reject the other side.
TEST_F(AgentClientTest, TakesAnInternalErrorForNoRefusal) {
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(listener.get(), generic, size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  ASSERT_EQ(getsockname(listener.get(), generic, &size), 0);
  std::jthread server([&] {
    const Fd accepted(accept(listener.get(), nullptr, nullptr));
    std::array<char, 4096> hello{};
    EXPECT_GT(read(accepted.get(), hello.data(), hello.size()), 0);
    constexpr std::string_view kFatalInternalError("\x15\x03\x03\x00\x02\x02\x50", 7);
    EXPECT_EQ(write(accepted.get(), kFatalInternalError.data(), kFatalInternalError.size()), 7);
  });
  expect_error(client("https://127.0.0.1:" + std::to_string(ntohs(address.sin_port))).get("/"),
               Code::unavailable, "internal error");
}

TEST_F(AgentClientTest, RefusesAServerOfAnotherIdentity) {
  const Authority other("company agent");
  TlsServer::Settings wrong = settings();
  wrong.certificate = other.issue(tls_key, CertificateUse::server, {"127.0.0.1"});
  TlsServer server(wrong, ok);
  expect_error(client(server.url()).get("/"), Code::unauthenticated, "certificate");
}

TEST_F(AgentClientTest, RefusesACertificateForAnotherHost) {
  TlsServer::Settings wrong = settings();
  wrong.certificate = identity.issue(tls_key, CertificateUse::server, {"agent.example", "127.0.0.2"});
  TlsServer server(wrong, ok);
  expect_error(client(server.url()).get("/"), Code::unauthenticated, "127.0.0.1");
}

TEST_F(AgentClientTest, RefusesAClientCertificateInTheServersPlace) {
  // The holder of an invitation has a certificate that the identity key signed.
  TlsServer::Settings wrong = settings();
  wrong.certificate = identity.issue(tls_key, CertificateUse::client, {"127.0.0.1"});
  TlsServer server(wrong, ok);
  expect_error(client(server.url()).get("/"), Code::unauthenticated, "certificate");
}

TEST_F(AgentClientTest, RefusesOlderTls) {
  TlsServer::Settings old = settings();
  old.max_version = TLS1_2_VERSION;
  TlsServer server(old, ok);
  expect_error(client(server.url()).get("/"), Code::unauthenticated, "version");
}

TEST_F(AgentClientTest, SaysIfTheServerRefusesTheCertificate) {
  const Authority others("globex clients");
  TlsServer::Settings strict = settings();
  strict.client_ca = &others.certificate;
  TlsServer server(strict, ok);
  expect_error(client(server.url()).get("/"), Code::unauthenticated, "does not know the authority");
}

TEST_F(AgentClientTest, SaysIfItHasNoCertificate) {
  TlsServer server(settings(), ok);
  AgentClient agent({.party = "company", .url = server.url(), .identity_certificate = identity.certificate},
                    {.chain = {}, .key = nullptr}, 30s);
  expect_error(agent.get("/"), Code::unauthenticated, "it asks for a client certificate");
}

// The error comes before any agent is asked, so that no agent appears to be unreachable.
TEST_F(AgentClientTest, SaysIfItsOwnCertificateHasExpired) {
  TlsServer server(settings(), ok);
  for (const auto& [uri, renewal] :
       {std::pair("coprotect:acme:user:alice", "coprotect-provision add-client alice --replace"),
        std::pair("coprotect:acme:admin:root", "coprotect-provision add-client root --replace"),
        std::pair("coprotect:acme:recovery:kit", "coprotect-provision drill --renew-kit")}) {
    AgentClient agent = client_valid(server.url(), -7'200'000, -3'600'000, uri);
    expect_error(
        agent.get("/"), Code::unauthenticated,
        "your certificate expired on " + protocol::format_utc_time(now_ms() - 3'600'000).substr(0, 11));
    expect_error(agent.get("/"), Code::unauthenticated, renewal);
  }
  AgentClient early = client_valid(server.url(), 3'600'000, 7'200'000, "coprotect:acme:user:alice");
  expect_error(early.get("/"), Code::unauthenticated, "clock");
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(AgentClientTest, WaitsAsLongAsItIsAskedTo) {
  for (const char* const status : {"429 Too Many Requests", "503 Service Unavailable"}) {
    std::atomic<int> requests = 0;
    TlsServer server(settings(), [&](const std::string& request) {
      if (++requests == 3) return ok(request);
      std::string busy = http_answer(status, "application/problem+json", R"({"code":"limited"})");
      return busy.insert(busy.find("\r\n") + 2, "Retry-After: 1\r\n");
    });
    const auto begin = std::chrono::steady_clock::now();
    const auto answer = client(server.url()).post("/v1/x", bytes_of("x"));
    EXPECT_TRUE(answer) << answer.error().message();
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 2s);
    EXPECT_EQ(requests, 3);
  }
}

TEST_F(AgentClientTest, WaitsNoLongerThanItsDeadline) {
  std::atomic<int> requests = 0;
  TlsServer server(settings(), [&](const std::string&) {
    ++requests;
    std::string busy =
        http_answer("429 Too Many Requests", "application/problem+json", R"({"code":"limited"})");
    return busy.insert(busy.find("\r\n") + 2, "Retry-After: 60\r\n");
  });
  expect_error(client(server.url()).post("/v1/x", {}), Code::limited, "limited");
  EXPECT_EQ(requests, 1);
}

TEST_F(AgentClientTest, DoesNotWaitUnasked) {
  std::atomic<int> requests = 0;
  TlsServer server(settings(), [&](const std::string&) {
    ++requests;
    return http_answer("429 Too Many Requests", "application/problem+json", R"({"code":"limited"})");
  });
  expect_error(client(server.url()).post("/v1/x", {}), Code::limited, "limited");
  EXPECT_EQ(requests, 1);
}

// An agent that is short of connection slots drops handshakes.
TEST_F(AgentClientTest, TriesADroppedHandshakeAgain) {
  TlsListener listener;
  const std::string url = listener.url();
  const Fd dropped = Fd(dup(listener.fd.get()));
  std::optional<TlsServer> server;
  std::jthread dropper([&] {
    for (int i = 0; i < 2; ++i) {
      const Fd accepted(accept(dropped.get(), nullptr, nullptr));
      const linger none{.l_onoff = 1, .l_linger = 0};
      setsockopt(accepted.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    server.emplace(settings(), ok, std::move(listener));
  });
  const auto answer = client(url).get("/");
  EXPECT_TRUE(answer) << answer.error().message();
  dropper.join();
}

// The same after the client's part of the handshake. The request may have arrived.
TEST_F(AgentClientTest, TriesAgainIfANewConnectionEndsWithoutAnAnswer) {
  std::atomic<int> hang_ups = 2;
  TlsServer server(settings(), [&](const std::string& request) {
    return hang_ups-- > 0 ? std::string(kHangUp) : ok(request);
  });
  EXPECT_TRUE(client(server.url()).get("/"));
  hang_ups = 1;
  AgentClient agent = client(server.url());
  EXPECT_FALSE(agent.was_dropped());
  const auto answer = agent.ask("/v1/x", bytes_of("x"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Code::unavailable);
  EXPECT_TRUE(agent.was_dropped());
  EXPECT_TRUE(agent.ask("/v1/x", bytes_of("x")));
  EXPECT_FALSE(agent.was_dropped());
}

TEST_F(AgentClientTest, RefusesAKeyThatIsNotTheCertificates) {
  TlsServer server(settings(), ok);
  AgentClient agent({.party = "company", .url = server.url(), .identity_certificate = identity.certificate},
                    {.chain = {client_certificate}, .key = &tls_key}, 30s);
  expect_error(agent.get("/"), Code::unauthenticated, "do not fit together");
}

TEST_F(AgentClientTest, IsUnavailableIfNobodyListens) {
  std::string url;
  {
    const TlsServer gone(settings(), ok);
    url = gone.url();
  }
  expect_error(client(url).get("/"), Code::unavailable, "cannot connect");
  expect_error(client("https://no-such-host.invalid:1").get("/"), Code::unavailable, "resolved");
}

TEST_F(AgentClientTest, IsUnavailableIfNoAnswerComesInTime) {
  TlsServer server(settings(), [](const std::string&) { return std::string(); });
  expect_error(client(server.url(), 300ms).get("/"), Code::unavailable, "no answer within 300 ms");
  TlsServer slow(settings(),
                 [](const std::string&) { return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nbegin"; });
  expect_error(client(slow.url(), 300ms).get("/"), Code::unavailable, "no answer within 300 ms");
}

TEST_F(AgentClientTest, TakesNoAnswerOverTheLimit) {
  const std::string body((std::size_t{9} << 20) + 1, 'x');
  TlsServer server(settings(), [&](const std::string& request) {
    return http_answer("200 OK", "application/octet-stream",
                       request.starts_with("GET /limit") ? body.substr(1) : body);
  });
  const auto answer = client(server.url()).get("/limit");
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->size(), std::size_t{9} << 20);
  expect_error(client(server.url()).get("/over"), Code::malformed, "longer than 9 MiB");
}

TEST_F(AgentClientTest, FollowsNoRedirect) {
  int requests = 0;
  TlsServer server(settings(), [&](const std::string&) {
    ++requests;
    return std::string("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
  });
  expect_error(client(server.url()).get("/"), Code::internal, "HTTP status 302");
  EXPECT_EQ(requests, 1);
}

TEST_F(AgentClientTest, RefusesUrlsThatAreNotHttps) {
  expect_error(client("http://127.0.0.1:1").get("/"), Code::malformed, "https");
  expect_error(client("file:///etc/passwd").get(""), Code::malformed, "https");
}

TEST_F(AgentClientTest, HeedsNoEnvironment) {
  const harness::Scratch scratch;
  const std::filesystem::path log = scratch / "keys";
  for (const char* const name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
    setenv(name, "http://127.0.0.1:1", 1);
  setenv("SSLKEYLOGFILE", log.c_str(), 1);
  TlsServer server(settings(), ok);
  const auto answer = client(server.url()).get("/");
  EXPECT_TRUE(answer) << answer.error().message();
  std::error_code none;
  EXPECT_TRUE(!std::filesystem::exists(log) || std::filesystem::file_size(log, none) == 0);
}

}  // namespace
}  // namespace coprotect::client
