#pragma once

#include <optional>

#include "agent/custodian/testing/company.h"
#include "agent/custodian/testing/test_agent.h"
#include "protocol/message/log_cut.h"
#include "protocol/message/reply.h"

namespace coprotect::agent::custodian::testing {

// A file's header and the key that it wraps.
struct TestFile {
  protocol::Header header;
  Secret file_key;
};
TestFile encrypt(const protocol::Bundle& bundle, std::string_view policy = "");
protocol::PartialItem item_of(const TestFile& file, const protocol::Bundle& bundle);

// A request with the key that opens its reply. Tests may change it before sending.
struct Asking {
  protocol::Request request;
  protocol::HpkePrivateKey reply_key;

  // Signed by the client, whose own certificate is the chain.
  Bytes signed_by(const TestClient& client) const;
};
// For this agent, with the current time and a fresh nonce.
Asking ask(const TestAgent& agent, const protocol::Bundle& bundle, protocol::RequestBody body);

// Signs a message again that was changed somewhere before its certificates.
Bytes signed_again(Bytes message, const TestClient& client);

// The content of the agent's sealed reply to this message; the error is the agent's refusal.
Result<Secret> open(const TestAgent& agent, const Asking& asking, ByteView message, ByteView reply);
// Sends a signed request to the route of its operation and opens the reply. The error is the agent's refusal,
// or its problem document if it judged nothing.
Result<Secret> send(TestAgent& agent, const Asking& asking, const Bytes& signed_request, ByteView peer);
// The same for a request that this function signs.
Result<Secret> answer(TestAgent& agent, const Asking& asking, const TestClient& client);
// The recovery blob and parts that an agent gives this client; the parts are empty unless it is of role
// recovery.
std::pair<Bytes, Bytes> recovery_of(TestAgent& agent, const protocol::Bundle& bundle,
                                    const TestClient& client);
// The same for a partial-decrypt or a derive request, with its proof verified.
Result<protocol::PartialReply> partials(TestAgent& agent, const protocol::Bundle& bundle,
                                        const Asking& asking, const TestClient& client);
// The whole log, as the agent's tenant sees it, verified.
std::vector<protocol::LogEntry> read_log(TestAgent& agent, const protocol::Bundle& bundle,
                                         const TestClient& admin);

}  // namespace coprotect::agent::custodian::testing
