#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "protocol/base/owned.h"
#include "protocol/x509/certificate.h"

namespace coprotect::client {

// A small HTTPS server for tests, one connection at a time, on a free port of 127.0.0.1.
class TlsServer {
 public:
  struct Settings {
    protocol::Certificate certificate;
    const protocol::SigningKey* key;
    const protocol::Certificate* client_ca = nullptr;  // asked of clients if given
    int max_version = TLS1_3_VERSION;
  };
  // Gets a whole request, head and body; what it returns is sent. An empty answer leaves the client to wait.
  using Handler = std::function<std::string(const std::string& request)>;

  TlsServer(Settings settings, Handler handler);
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  ~TlsServer();

  std::uint16_t port() const { return port_; }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }

 private:
  void serve();
  void converse(SSL* ssl);

  Handler handler_;
  Owned<SSL_CTX, SSL_CTX_free> context_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

// An answer with a body.
std::string http_answer(const std::string& status, const std::string& type, const std::string& body);

}  // namespace coprotect::client
