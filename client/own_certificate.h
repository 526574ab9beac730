#pragma once

#include <cstdint>
#include <string>

#include "protocol/x509/certificate.h"

namespace coprotect::client {

// Done if a client may show this certificate of its own now. Code::unauthenticated otherwise, with the date
// and what renews it: the agent would only say in TLS that it does not accept it.
Status check_own_dates(const protocol::Certificate& certificate, std::int64_t now_ms);

// Why an agent ended TLS with this alert (RFC 8446 §6.2), for a client that shows `certificate`, if it shows
// one; empty for an alert that says nothing that a person could act on.
std::string meaning_of_alert(int alert, const protocol::Certificate* certificate);

}  // namespace coprotect::client
