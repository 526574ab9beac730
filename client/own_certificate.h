#pragma once

#include <cstdint>
#include <string>

#include "protocol/x509/certificate.h"

namespace coprotect::client {

// Done if this certificate of the client is valid now. Otherwise Code::unauthenticated, with the date and how
// to renew it. The agent would only report in TLS that it rejects the certificate.
Status check_own_dates(const protocol::Certificate& certificate, std::int64_t now_ms);

// Why an agent ended TLS with this alert (RFC 8446 §6.2), for a client that presents `certificate` (or none,
// if null). Empty for an alert on which the user cannot act.
std::string meaning_of_alert(int alert, const protocol::Certificate* certificate);

}  // namespace coprotect::client
