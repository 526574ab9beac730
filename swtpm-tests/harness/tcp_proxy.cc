#include "swtpm-tests/harness/tcp_proxy.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace coprotect::harness {
namespace {

sockaddr_in parse(const std::string& address) {
  const std::size_t colon = address.find(':');
  sockaddr_in parsed{};
  parsed.sin_family = AF_INET;
  parsed.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &parsed.sin_addr) != 1)
    throw std::runtime_error("not an address: " + address);
  return parsed;
}

}  // namespace

TcpProxy::TcpProxy(const std::string& listen, std::string target)
    : target_(std::move(target)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = parse(listen);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 ||
      getsockname(listener_, generic, &size) != 0)
    throw std::runtime_error("cannot listen on " + listen);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { accept(); });
}

TcpProxy::~TcpProxy() {
  shutdown(listener_, SHUT_RDWR);  // ends accept()
  acceptor_.join();
  close(listener_);
  cut();
  carriers_.clear();
  for (const int socket : open_) close(socket);
}

void TcpProxy::accept() {
  for (;;) {
    const int near = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (near < 0) return;
    ++connections_;
    const int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in target = parse(target_);
    {
      const std::lock_guard lock(mutex_);
      open_.insert(open_.end(), {near, far});
    }
    if (connect(far, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0) {
      shutdown(near, SHUT_RDWR);
      continue;
    }
    carriers_.emplace_back([this, near, far] { carry(near, far); });
    carriers_.emplace_back([this, near, far] { carry(far, near); });
  }
}

void TcpProxy::carry(int from, int to) {
  std::array<std::uint8_t, 16'384> buffer;
  for (;;) {
    const ssize_t n = recv(from, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    std::vector<Bytes> pieces{Bytes(buffer.begin(), buffer.begin() + n)};
    Meddle meddle;
    {
      const std::lock_guard lock(mutex_);
      record_.insert(record_.end(), pieces[0].begin(), pieces[0].end());
      meddle = meddle_;
    }
    if (meddle) pieces = meddle(std::move(pieces[0]));
    for (const Bytes& piece : pieces)
      for (std::size_t sent = 0; sent < piece.size();) {
        const ssize_t written = send(to, piece.data() + sent, piece.size() - sent, MSG_NOSIGNAL);
        if (written <= 0) break;
        sent += static_cast<std::size_t>(written);
      }
  }
  shutdown(to, SHUT_WR);
}

Bytes TcpProxy::recorded() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

void TcpProxy::meddle(Meddle meddle) {
  const std::lock_guard lock(mutex_);
  meddle_ = std::move(meddle);
}

void TcpProxy::cut() {
  const std::lock_guard lock(mutex_);
  for (const int socket : open_) shutdown(socket, SHUT_RDWR);
}

}  // namespace coprotect::harness
