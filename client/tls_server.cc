#include "client/tls_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>

namespace coprotect::client {
namespace {

// The length of the whole request that begins like this, or 0 while its head is incomplete.
std::size_t whole_size(const std::string& request) {
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t end = request.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  std::size_t body = 0;
  if (const std::size_t at = request.find(kLength); at < end)
    std::from_chars(request.data() + at + kLength.size(), request.data() + end, body);
  return end + 4 + body;
}

}  // namespace

TlsListener::TlsListener() : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(fd.get(), generic, size), 0);
  EXPECT_EQ(listen(fd.get(), 8), 0);
  EXPECT_EQ(getsockname(fd.get(), generic, &size), 0);
  port = ntohs(address.sin_port);
}

TlsListener::TlsListener(const std::string& url) : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const std::size_t host = std::string("https://").size();
  const std::size_t colon = url.rfind(':');
  port = static_cast<std::uint16_t>(std::stoul(url.substr(colon + 1)));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET, url.substr(host, colon - host).c_str(), &address.sin_addr), 1);
  const int yes = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << url;
  EXPECT_EQ(listen(fd.get(), 8), 0);
}

TlsServer::TlsServer(Settings settings, Handler handler, TlsListener listener)
    : handler_(std::move(handler)),
      context_(SSL_CTX_new(TLS_server_method())),
      listener_(std::move(listener)) {
  std::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(
      SSL_CTX_use_cert_and_key(context_.get(), settings.certificate.x509(), settings.key->evp(), nullptr, 1),
      1);
  EXPECT_EQ(SSL_CTX_set_max_proto_version(context_.get(), settings.max_version), 1);
  EXPECT_EQ(SSL_CTX_set_num_tickets(context_.get(), 0), 1);  // like coprotect-front, which resumes no session
  if (settings.client_ca != nullptr) {
    EXPECT_EQ(X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), settings.client_ca->x509()), 1);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  thread_ = std::thread([this] { serve(); });
}

TlsServer::~TlsServer() {
  shutdown(listener_.fd.get(), SHUT_RDWR);  // ends accept()
  thread_.join();
  conversations_.clear();  // clients end before their server, which ends the conversations
}

void TlsServer::serve() {
  for (;;) {
    const int connection = accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return;
    ++connections_;
    conversations_.emplace_back([this, connection] { accept(connection); });
  }
}

void TlsServer::accept(int connection) {
  const Fd owned(connection);
  const Owned<SSL, SSL_free> ssl(SSL_new(context_.get()));
  SSL_set_fd(ssl.get(), connection);
  if (SSL_accept(ssl.get()) == 1) converse(ssl.get());
  // Reads the remaining input, so that closing does not overtake an alert on its way to the client.
  shutdown(connection, SHUT_WR);
  std::array<char, 4096> rest;
  while (read(connection, rest.data(), rest.size()) > 0) continue;
}

void TlsServer::converse(SSL* ssl) {
  std::string request;
  std::array<char, 16'384> buffer;
  for (;;) {
    const int n = SSL_read(ssl, buffer.data(), buffer.size());
    if (n <= 0) return;
    request.append(buffer.data(), static_cast<std::size_t>(n));
    const std::size_t size = whole_size(request);
    if (size == 0 || request.size() < size) continue;
    const std::string answer = [&] {
      const std::lock_guard one_at_a_time(mutex_);
      return handler_(request);
    }();
    if (answer == kHangUp) return;
    request.clear();
    for (std::size_t sent = 0; sent < answer.size();) {
      const int written = SSL_write(ssl, answer.data() + sent, static_cast<int>(answer.size() - sent));
      if (written <= 0) return;
      sent += static_cast<std::size_t>(written);
    }
  }
}

std::string http_answer(const std::string& status, const std::string& type, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace coprotect::client
