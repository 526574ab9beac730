#pragma once

#include <memory>

#include "protocol/group/group.h"

namespace coprotect::protocol {

// NIST P-256 (SP 800-186 §3.2.1.3) on OpenSSL's EC_POINT. Only group_of() calls it.
std::unique_ptr<Group> make_p256_group();

}  // namespace coprotect::protocol
