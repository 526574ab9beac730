#pragma once

#include <sys/socket.h>

#include <string>

namespace coprotect::agent::front {

// Which source an address counts as: "192.0.2.7", or "2001:db8:1:2::/64", because a host with one IPv6
// address usually controls its whole /64. An IPv4 address mapped into IPv6 counts as that IPv4 address.
std::string source_of(const sockaddr_storage& address);

}  // namespace coprotect::agent::front
