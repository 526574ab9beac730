#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace coprotect::agent::front {

// A listening TCP socket on "address:port" or "[address]:port"; a port of 0 lets the kernel choose.
Result<Fd> listen_on(const std::string& address);

Result<std::uint16_t> port_of(const Fd& listener);

}  // namespace coprotect::agent::front
