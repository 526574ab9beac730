#include "provisioning/url.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "protocol/base/owned.h"

namespace coprotect::provisioning {
namespace {

constexpr std::string_view kScheme = "https://";

bool same_address(const sockaddr* a, const sockaddr* b) {
  if (a == nullptr || b == nullptr || a->sa_family != b->sa_family) return false;
  if (a->sa_family == AF_INET)
    return reinterpret_cast<const sockaddr_in*>(a)->sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in*>(b)->sin_addr.s_addr;
  if (a->sa_family == AF_INET6)
    return std::memcmp(&reinterpret_cast<const sockaddr_in6*>(a)->sin6_addr,
                       &reinterpret_cast<const sockaddr_in6*>(b)->sin6_addr, sizeof(in6_addr)) == 0;
  return false;
}

bool is_loopback(const sockaddr* a) {
  if (a->sa_family == AF_INET)
    return (ntohl(reinterpret_cast<const sockaddr_in*>(a)->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
  return a->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(a)->sin6_addr);
}

bool valid_host(std::string_view host, bool bracketed) {
  if (host.empty() || host.size() > 253) return false;
  if (bracketed) {
    in6_addr address;
    return inet_pton(AF_INET6, std::string(host).c_str(), &address) == 1;
  }
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  const Error wrong(Code::malformed, "\"" + std::string(text) + "\" is not of the form https://HOST:PORT");
  if (!text.starts_with(kScheme)) return wrong;
  const std::string_view authority = text.substr(kScheme.size());
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos) return wrong;
  std::string_view host = authority.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::string_view digits = authority.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (!valid_host(host, bracketed) || error != std::errc() || end != digits.data() + digits.size() ||
      port == 0)
    return wrong;
  return Url{std::string(host), port};
}

bool Url::is_address() const {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 || inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

std::string Url::authority() const {
  const bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool is_this_host(const Url& url) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  Owned<addrinfo, freeaddrinfo> resolved;
  if (getaddrinfo(url.host.c_str(), nullptr, &hints, out(resolved)) != 0) return false;
  Owned<ifaddrs, freeifaddrs> own;
  if (getifaddrs(out(own)) != 0) return false;
  for (const addrinfo* at = resolved.get(); at != nullptr; at = at->ai_next) {
    if (is_loopback(at->ai_addr)) return true;
    for (const ifaddrs* interface = own.get(); interface != nullptr; interface = interface->ifa_next)
      if (same_address(at->ai_addr, interface->ifa_addr)) return true;
  }
  return false;
}

}  // namespace coprotect::provisioning
