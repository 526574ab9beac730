#include "client/agents.h"

namespace coprotect::client {

std::string agent_name(const protocol::Party& party) {
  std::string_view host = party.url;
  if (host.starts_with("https://")) host.remove_prefix(8);
  return party.name + " agent \"" + std::string(host) + "\"";
}

AgentClient connect(const protocol::Party& party, const Credentials& credentials,
                    std::chrono::milliseconds deadline) {
  return AgentClient(
      {.party = party.name, .url = party.url, .identity_certificate = *party.identity_certificate},
      {.chain = {credentials.certificate}, .key = &credentials.key}, deadline);
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace coprotect::client
