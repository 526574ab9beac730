#include "provisioning/signed_link.h"

#include "client/signed_call.h"

namespace coprotect::provisioning {

SignedLink::SignedLink(const protocol::Bundle& bundle, const protocol::Party& party,
                       const client::Credentials& credentials, std::chrono::milliseconds deadline)
    : bundle_(bundle),
      party_(party),
      credentials_(credentials),
      client_(client::connect(party, credentials, deadline)) {}

Result<Secret> SignedLink::ask(std::string_view endpoint, protocol::RequestBody body, std::string_view reason,
                               Random& random) {
  return client::ask(client_, bundle_, party_, credentials_,
                     {.endpoint = endpoint, .body = std::move(body), .reason = reason}, random);
}

}  // namespace coprotect::provisioning
