#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/owned.h"
#include "protocol/x509/issue.h"

// TLS clients for tests of the front: libcurl for whole requests, bare connections for anything else.
namespace coprotect::agent::front {

struct Identity {
  protocol::Certificate certificate;
  protocol::SigningKey key;
};

struct Target {
  std::uint16_t port;
  const protocol::Certificate* authority;  // must have issued the server's certificate
};

struct Answer {
  unsigned status = 0;  // 0: no HTTP answer came
  std::string body;
  std::map<std::string, std::string> headers;  // names in lower case
};

// An HTTP client that keeps its connection open.
class HttpClient {
 public:
  // Without an identity it sends no certificate.
  HttpClient(Target target, const Identity* identity);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  Answer get(const std::string& path) { return run("GET", path, std::nullopt); }
  Answer post(const std::string& path, std::string body) { return run("POST", path, std::move(body)); }
  Answer run(const std::string& method, const std::string& path, std::optional<std::string> body);
  // Applies to later requests.
  void header(const std::string& line);
  void chunked() { header("Transfer-Encoding: chunked"); }
  void only_tls12();
  // How many connections it has opened.
  long connections() const { return connections_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  long connections_ = 0;
};

// A TLS connection that sends and receives bytes.
class RawClient {
 public:
  // Connected, after the handshake (in TLS 1.3 the server may still refuse the certificate).
  static std::optional<RawClient> connect(Target target, const Identity& identity);
  // TCP only, from this address of the loopback network.
  static Fd connect_plain(std::uint16_t port, std::uint32_t from = 0x7f000001);
  // The same, without waiting until the server's kernel has room for it.
  static Fd begin_connection(std::uint16_t port, std::uint32_t from);

  bool send(std::string_view text);
  // Receives until the server closes, `limit` is over, or the bytes contain `end` if that is not empty.
  std::string receive(std::chrono::milliseconds limit, std::string_view end = {});
  // Whether the server closes within `limit`; drops received data.
  bool closed_within(std::chrono::milliseconds limit);
  int socket() const { return socket_.get(); }

 private:
  static Fd connect_plain(std::uint16_t port, std::uint32_t from, int flags);
  using Context = Owned<SSL_CTX, SSL_CTX_free>;
  using Session = Owned<SSL, SSL_free>;
  RawClient(Fd socket, Context context, Session session)
      : socket_(std::move(socket)), context_(std::move(context)), session_(std::move(session)) {}
  Fd socket_;
  Context context_;
  Session session_;
};

}  // namespace coprotect::agent::front
