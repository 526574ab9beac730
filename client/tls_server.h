#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "protocol/base/fd.h"
#include "protocol/base/owned.h"
#include "protocol/x509/certificate.h"

namespace coprotect::client {

// A free port of 127.0.0.1, for tests that need it before they have a certificate for it.
struct TlsListener {
  TlsListener();
  // At this address: "https://127.1.2.3:8443".
  explicit TlsListener(const std::string& url);
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port); }
  Fd fd;
  std::uint16_t port = 0;
};

constexpr std::string_view kHangUp = "hang up";

// A small HTTPS server for tests, on a free port of 127.0.0.1 unless a listener is given.
class TlsServer {
 public:
  struct Settings {
    protocol::Certificate certificate;
    const protocol::SigningKey* key;
    const protocol::Certificate* client_ca = nullptr;  // requires a client certificate if given
    int max_version = TLS1_3_VERSION;
  };
  // Receives a whole request, head and body, one at a time. The returned text is sent. If it is empty the
  // client waits; kHangUp ends the connection.
  using Handler = std::function<std::string(const std::string& request)>;

  TlsServer(Settings settings, Handler handler, TlsListener listener = {});
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  ~TlsServer();

  std::uint16_t port() const { return listener_.port; }
  std::string url() const { return listener_.url(); }
  int connections() const { return connections_; }

 private:
  void serve();
  void accept(int connection);
  void converse(SSL* ssl);

  Handler handler_;
  Owned<SSL_CTX, SSL_CTX_free> context_;
  TlsListener listener_;
  std::mutex mutex_;  // of the handler
  std::atomic<int> connections_ = 0;
  std::vector<std::jthread> conversations_;
  std::thread thread_;
};

// An answer with a body.
std::string http_answer(const std::string& status, const std::string& type, const std::string& body);

}  // namespace coprotect::client
