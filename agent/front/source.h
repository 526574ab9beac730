#pragma once

#include <sys/socket.h>

#include <string>

namespace coprotect::agent::front {

// Whom a connection's address stands for: "192.0.2.7", or "2001:db8:1:2::/64", since whoever has one IPv6
// address usually has its whole /64. An IPv4 address that is mapped into IPv6 counts as itself.
std::string source_of(const sockaddr_storage& address);

}  // namespace coprotect::agent::front
