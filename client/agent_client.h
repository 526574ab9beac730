#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "protocol/crypto/ecdsa.h"
#include "protocol/x509/certificate.h"

namespace coprotect::client {

// An agent as a bundle or an invitation describes it.
struct Endpoint {
  std::string party;                           // "cloud", "company"; if empty, errors name no agent
  std::string url;                             // https://host:port
  protocol::Certificate identity_certificate;  // the only trust anchor of its TLS certificate
};

// The client's identity in TLS.
struct ClientCredentials {
  std::vector<protocol::Certificate> chain;  // its own certificate first
  const protocol::SigningKey* key;           // outlives the client
};

// Runs libcurl's once-per-process initialisation now, so that it needs no file later. Otherwise the first
// client runs it.
void prepare_agent_clients();

// Mutual TLS 1.3 with one agent. Keeps the connection alive between calls. Not thread-safe: use one per
// thread.
class AgentClient {
 public:
  AgentClient(Endpoint endpoint, ClientCredentials credentials, std::chrono::milliseconds deadline);
  AgentClient(AgentClient&&) noexcept;
  AgentClient& operator=(AgentClient&&) noexcept;
  ~AgentClient();

  // The body of a 2xx answer. Errors carry the agent's code and read `company agent "host:port": denied: …
  // (request 7f3a…)`. Code::unavailable if the agent cannot be reached or does not answer in time.
  // Code::unauthenticated, with the reason, if TLS fails on either side or the client's own certificate has
  // expired. After a 429 or 503 with Retry-After the request is retried while the deadline allows.
  Result<Bytes> get(std::string_view path);
  Result<Bytes> post(std::string_view path, ByteView body);
  Result<Bytes> put(std::string_view path, ByteView body);
  // post() for a signed request. The agent signs and seals every answer to it, including refusals, so any
  // other answer proves nothing about the request and gives Code::unavailable. After a stop is requested, the
  // call ends within a second with Code::unavailable, and the connection is closed.
  Result<Bytes> ask(std::string_view path, ByteView request, const std::stop_token& stop = {});

  // Whether the last call failed because its new connection ended before any byte of an answer. An agent that
  // is short of connection slots closes connections whose handshake it has not finished. In TLS 1.3 the
  // client finishes first, and has then already sent its request. The request may have arrived, so the caller
  // must sign another one.
  bool was_dropped() const;
  // Applies to each call from now on.
  void set_deadline(std::chrono::milliseconds deadline);
  const Endpoint& endpoint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coprotect::client
