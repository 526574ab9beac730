#include "agent/front/listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "protocol/base/owned.h"

namespace coprotect::agent::front {
namespace {

using AddressList = Owned<addrinfo, freeaddrinfo>;

// If many clients connect at the same time, the kernel must not drop a SYN: its client would wait for
// seconds.
constexpr int kBacklog = 4096;

Result<AddressList> resolve(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return Error(Code::malformed, "\"" + address + "\" is not address:port");
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  AddressList list;
  const int failure =
      getaddrinfo(host.empty() ? nullptr : host.c_str(), address.c_str() + colon + 1, &hints, out(list));
  if (failure != 0) return Error(Code::malformed, "\"" + address + "\": " + gai_strerror(failure));
  return list;
}

}  // namespace

Result<Fd> listen_on(const std::string& address) {
  const auto list = resolve(address);
  if (!list) return list.error();
  const addrinfo& first = **list;
  Fd fd(socket(first.ai_family, first.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, first.ai_protocol));
  const int on = 1;
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd.get(), first.ai_addr, first.ai_addrlen) != 0 || listen(fd.get(), kBacklog) != 0)
    return Error(Code::unavailable, "cannot listen on \"" + address + "\": " + std::strerror(errno));
  return fd;
}

Result<std::uint16_t> port_of(const Fd& listener) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(listener.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    return Error(Code::internal, std::string("getsockname: ") + std::strerror(errno));
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

}  // namespace coprotect::agent::front
