#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "protocol/crypto/ecdsa.h"
#include "protocol/x509/certificate.h"

namespace coprotect::client {

// An agent as a bundle or an invitation names it.
struct Endpoint {
  std::string party;                           // "cloud", "company"; if empty, errors name no agent
  std::string url;                             // https://host:port
  protocol::Certificate identity_certificate;  // the only trust anchor of its TLS certificate
};

// What a client shows of itself in TLS.
struct ClientCredentials {
  std::vector<protocol::Certificate> chain;  // its own first
  const protocol::SigningKey* key;           // outlives the client
};

// Does now what libcurl does once in a process, so that it needs no file later. Otherwise the first client
// does it.
void prepare_agent_clients();

// Mutual TLS 1.3 with one agent, connection kept alive between calls. Not safe from several threads at once:
// one each.
class AgentClient {
 public:
  AgentClient(Endpoint endpoint, ClientCredentials credentials, std::chrono::milliseconds deadline);
  AgentClient(AgentClient&&) noexcept;
  AgentClient& operator=(AgentClient&&) noexcept;
  ~AgentClient();

  // The body of a 2xx answer. Errors carry the agent's code and read `company agent "host:port": denied: …
  // (request 7f3a…)`; Code::unavailable if it cannot be reached or does not answer in time,
  // Code::unauthenticated if TLS fails on either side, which says why, or if the client's own certificate has
  // expired. An answer 429 or 503 with Retry-After is tried again, as long as the deadline allows.
  Result<Bytes> get(std::string_view path);
  Result<Bytes> post(std::string_view path, ByteView body);
  Result<Bytes> put(std::string_view path, ByteView body);
  // post() of a signed request. Its answer is sealed and signed by the agent, refusals too, so that anything
  // else proves nothing about the request: Code::unavailable says that the agent could not be asked.
  // Once a stop is requested nobody waits for the answer any more: within a second it is Code::unavailable,
  // and the connection is closed.
  Result<Bytes> ask(std::string_view path, ByteView request, const std::stop_token& stop = {});

  // Whether the last call failed because a new connection of it ended before a byte of an answer came. An
  // agent that is short of places ends connections whose handshake it has not finished, and in TLS 1.3 a
  // client has finished first and sent its request by then. The request may have arrived, so another one has
  // to be signed.
  bool was_dropped() const;
  // Of each call from now on.
  void set_deadline(std::chrono::milliseconds deadline);
  const Endpoint& endpoint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coprotect::client
