#pragma once

#include "agent/config.h"
#include "agent/ipc/channel.h"

namespace coprotect::agent {

// Sends a front or a relay the frame that carries the TLS certificate and its key, opened. A process that has
// gone is no error: its end will be seen. Code::not_found for a file that cannot be opened, Code::malformed
// for a key that is open to others.
Status send_tls_files(ipc::Channel& channel, const Config::Tls& tls);

}  // namespace coprotect::agent
