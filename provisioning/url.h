#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::provisioning {

// A parsed agent URL.
struct Url {
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port;

  // Accepts https://HOST:PORT and nothing after it.
  static Result<Url> parse(std::string_view text);
  // Whether the host is an IP address rather than a name.
  bool is_address() const;
  // HOST:PORT, with brackets where needed.
  std::string authority() const;
};

// Whether the URL's host is this machine: one of its addresses, or a name that resolves to one. False if it
// does not resolve.
bool is_this_host(const Url& url);

}  // namespace coprotect::provisioning
