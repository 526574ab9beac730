#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::agent::ipc {

// What the custodian and its network processes, front and relay, tell each other, over a socketpair each.
// Each side treats the other's bytes as hostile. A frame is u32 length (≤ kMaxFrame) and that many bytes; the
// first is its Kind.
constexpr std::size_t kMaxFrame = std::size_t{9} << 20;
constexpr std::size_t kMaxBody = std::size_t{8} << 20;          // of a Call or a Reply
constexpr std::size_t kMaxCertificate = std::size_t{16} << 10;  // DER

enum class Kind : std::uint8_t {
  call = 1,     // front → custodian
  reply = 2,    // custodian → front
  trust = 3,    // custodian → front: whose certificates TLS may accept
  ready = 4,    // front → custodian: listening, sandboxed; again after each reload
  reload = 5,   // custodian → front or relay, with the opened files of the TLS certificate and its key: use
                // them from now on
  stop = 6,     // custodian → front: accept nothing more, finish what runs, exit
  forward = 7,  // custodian → relay: ask this peer
  forwarded = 8,  // relay → custodian: what the peer answered
};

// The kind of a frame, from its first byte.
Result<Kind> kind_of(ByteView frame);

// The endpoints of API.md.
enum class Route : std::uint8_t {
  health = 1,
  bundle,           // GET  /v1/keys/{key_id}
  partial_decrypt,  // POST /v1/keys/{key_id}/partial-decrypt
  recovery_share,   // POST /v1/keys/{key_id}/recovery-share
  log,              // POST /v1/keys/{key_id}/log
  open,             // POST /v1/ceremonies
  status,           // POST /v1/ceremonies/status
  parameters,       // POST /v1/ceremonies/{sid}/parameters, and so on
  reveal,
  deal,
  prepare,
  store_blob,
  activate,
  abort,
  client_list_get,  // GET  /v1/tenants/{tenant}/clients
  client_list_put,  // PUT  /v1/tenants/{tenant}/clients
  derive,           // POST /v1/keys/{key_id}/derive
  decrypt,          // POST /v1/keys/{key_id}/decrypt
  handover,         // POST /v1/keys/{key_id}/handover
  join,             // POST /v1/ceremonies/{sid}/join
  drill_report,     // POST /v1/keys/{key_id}/drill-report
  peer_state,       // POST /v1/peers/state
  key_list_get,     // GET  /v1/tenants/{tenant}/keys
  key_list_put,     // PUT  /v1/tenants/{tenant}/keys
};

// What a route is called in the log, e.g. "partial-decrypt".
std::string_view route_name(Route route);

// Whether subject is what the route's path holds: {key_id} or {sid}, 64 lower-case hex digits; {tenant}; or
// nothing.
bool valid_subject(Route route, std::string_view subject);

struct Call {
  std::uint64_t id;  // chosen by the front, unique among those without a reply
  Route route;
  std::string subject;  // the {key_id}, {sid} (64 hex digits) or {tenant} of the path, else empty
  Bytes
      peer_certificate;  // DER, as TLS verified it: good enough for what is public, no authority over a share
  std::uint32_t budget_ms;  // what is left of the request's deadline
  Bytes body;

  Bytes encode() const;
  static Result<Call> parse(ByteView frame);
};

struct Reply {
  std::uint64_t id;
  std::optional<Error> error;  // problem+json if set; the front knows the HTTP status of each Code
  std::string request_id;      // 16 hex digits
  Bytes body;                  // application/octet-stream, or JSON for health

  Bytes encode() const;
  static Result<Reply> parse(ByteView frame);
};

// Whose certificates TLS accepts from those who connect.
struct Trust {
  std::vector<Bytes>
      authorities;           // DER: all tenants' client CAs, and the agent's own identity for invitations
  std::vector<Bytes> peers;  // DER: the identities of agents that may pass requests on, and nothing else

  Bytes encode() const;
  static Result<Trust> parse(ByteView frame);
};

struct Ready {
  std::uint16_t port;  // the TCP port that the front listens on

  Bytes encode() const;
  static Result<Ready> parse(ByteView frame);
};

// What a peer is asked for, and so where: nothing else can be.
enum class PeerRoute : std::uint8_t {
  decrypt = 1,     // POST /v1/keys/{key_id}/decrypt: a chained request
  peer_state = 2,  // POST /v1/peers/state
};

// A request for one peer, whom the custodian names from a bundle.
struct Forward {
  std::uint64_t id;  // chosen by the custodian
  PeerRoute route = PeerRoute::decrypt;
  std::string url;             // https://host:port
  Bytes identity_certificate;  // DER: the only trust anchor
  ByteArray<32> key_id;        // zero where the route has none
  std::uint32_t budget_ms;     // for the whole of it
  Bytes body;

  Bytes encode() const;
  static Result<Forward> parse(ByteView frame);
};

struct Forwarded {
  std::uint64_t id;
  std::optional<Error> error;
  Bytes body;  // of a 2xx answer

  Bytes encode() const;
  static Result<Forwarded> parse(ByteView frame);
};

// The frames that consist of their kind alone.
Bytes encode_reload();
Bytes encode_stop();

}  // namespace coprotect::agent::ipc
