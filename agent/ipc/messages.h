#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/x509/certificate.h"

namespace coprotect::agent::ipc {

// The messages between the custodian and its network processes, front and relay, over one socketpair each.
// Each side treats the other's bytes as hostile. A frame is u32 length (≤ kMaxFrame) and that many bytes, of
// which the first is its Kind.
constexpr std::size_t kMaxFrame = std::size_t{9} << 20;
constexpr std::size_t kMaxBody = std::size_t{8} << 20;  // of a Call or a Reply
constexpr std::size_t kMaxCertificate = protocol::Certificate::kMaxDer;

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
  limits = 9,     // custodian → front: what each may have; the first frame, and again with each reload
  ping = 10,      // custodian → front or relay: is it at work?
  pong = 11,      // front or relay → custodian: it is
  given_up = 12,  // front → custodian: nobody waits for the reply to this call any more
  usage = 13,     // front → custodian, before each pong: how much of its limits is in use
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

// The name of a route in the log, for example "partial-decrypt".
std::string_view route_name(Route route);

// Whether `subject` is valid for the route's path: {key_id} or {sid}, 64 lower-case hex digits; {tenant}; or
// empty.
bool valid_subject(Route route, std::string_view subject);

struct Call {
  std::uint64_t id;  // chosen by the front, unique among those without a reply
  Route route;
  std::string subject;  // the {key_id}, {sid} (64 hex digits) or {tenant} of the path, else empty
  Bytes
      peer_certificate;  // DER, as TLS verified it: good enough for what is public, no authority over a share
  // The key of the CA that certified a client, 64 hex digits; empty for an agent. The tenant named in the
  // certificate is only what that CA says, and the CA may be another tenant's.
  std::string authority{};
  std::uint32_t budget_ms;  // time left until the request's deadline
  Bytes body;

  Bytes encode() const;
  static Result<Call> parse(ByteView frame);
};

struct Reply {
  std::uint64_t id;
  std::optional<Error> error;             // problem+json if set; the front knows the HTTP status of each Code
  std::string request_id;                 // 16 hex digits
  Bytes body;                             // application/octet-stream, or JSON for health
  std::uint32_t retry_after_seconds = 0;  // only with an error: when to retry; 0: unspecified

  // A body longer than kMaxBody becomes an error, because parse() refuses it. What is stored grows, and
  // others choose how fast.
  Bytes encode() const;
  static Result<Reply> parse(ByteView frame);
};

// The issuers and peers whose certificates TLS accepts from clients.
struct Trust {
  std::vector<Bytes>
      authorities;           // DER: all tenants' client CAs, and the agent's own identity for invitations
  std::vector<Bytes> peers;  // DER: the identities of agents that may pass requests on, and nothing else

  Bytes encode() const;
  static Result<Trust> parse(ByteView frame);
};

// How much of the front each client, tenant and peer may use: the [limits] of agent.toml (docs/LIMITS.md).
struct Limits {
  std::uint32_t request_seconds = 30;  // for a whole request, whatever its speed
  std::uint32_t idle_seconds = 60;     // between two requests of a connection
  std::uint32_t connections = 1000;
  std::uint32_t handshake_seconds = 5;
  std::uint32_t connections_for_strangers = 250;  // whose TLS handshake is not finished
  std::uint32_t connections_per_address = 64;     // of those
  std::uint32_t connections_for_peers = 64;       // of other agents
  std::uint32_t requests = 256;                   // under way at the same time
  std::uint32_t requests_per_client = 16;
  std::uint32_t requests_per_peer = 32;
  std::uint32_t requests_per_tenant = 128;  // of all its clients together
  std::uint32_t body_mib = 256;             // of all requests under way together
  std::uint32_t body_mib_per_client = 32;
  std::uint32_t body_mib_per_tenant = 128;
  std::uint32_t hang_seconds = 30;  // a front or relay without a pong is replaced

  // Shares of `connections`. If that is small, strangers have at most half, and peers at most half of the
  // rest.
  std::uint32_t places_for_strangers() const;
  std::uint32_t places_for_peers() const;
  std::uint32_t places_for_clients() const;
  // How many descriptors the front may need: in addition to its own, the kernel may still be closing other
  // connections.
  std::uint32_t files() const { return connections + 1024; }
  // Code::malformed, with both numbers, if a process that may open `files` files cannot enforce these limits.
  Status fit_into(std::uint64_t files) const;

  Bytes encode() const;
  static Result<Limits> parse(ByteView frame);
  bool operator==(const Limits&) const = default;
};

// The limits that the front enforces, in the order of a Usage.
enum class FrontLimit : std::uint8_t {
  connections,  // of clients
  connections_for_strangers,
  connections_per_address,
  connections_for_peers,
  handshake_seconds,
  request_seconds,
  idle_seconds,
  requests,
  requests_of_peers,
  requests_per_client,
  requests_per_peer,
  requests_per_tenant,
  body_mib,
  body_mib_of_peers,
  body_mib_per_client,
  body_mib_per_tenant,
};
constexpr std::size_t kFrontLimits = 16;

// The use of each limit (for a limit per holder, that of the holder with the most), and how often it caused a
// refusal or a cut since the front started.
struct Usage {
  struct Of {
    std::uint64_t use = 0;
    std::uint64_t hits = 0;
    bool operator==(const Of&) const = default;
  };
  std::array<Of, kFrontLimits> all{};

  Of& operator[](FrontLimit limit) { return all[static_cast<std::size_t>(limit)]; }
  const Of& operator[](FrontLimit limit) const { return all[static_cast<std::size_t>(limit)]; }
  void add(const Usage& other);
  // The hits only: they continue to count when a new front starts.
  Usage past() const;

  Bytes encode() const;
  static Result<Usage> parse(ByteView frame);
  bool operator==(const Usage&) const = default;
};

struct Ready {
  std::uint16_t port;  // the TCP port that the front listens on

  Bytes encode() const;
  static Result<Ready> parse(ByteView frame);
};

// A ping, or with Kind::pong its answer: that the process reads frames and its threads work.
struct Ping {
  std::uint64_t number;

  Bytes encode(Kind kind) const;
  static Result<Ping> parse(Kind kind, ByteView frame);
};

struct GivenUp {
  std::uint64_t id;  // of a call

  Bytes encode() const;
  static Result<GivenUp> parse(ByteView frame);
};

// The request to a peer, which determines its path: no other is possible.
enum class PeerRoute : std::uint8_t {
  decrypt = 1,     // POST /v1/keys/{key_id}/decrypt: a chained request
  peer_state = 2,  // POST /v1/peers/state
};

// A request for one peer, which the custodian takes from a bundle.
struct Forward {
  std::uint64_t id;  // chosen by the custodian
  PeerRoute route = PeerRoute::decrypt;
  std::string url;             // https://host:port
  Bytes identity_certificate;  // DER: the only trust anchor
  ByteArray<32> key_id;        // zero where the route has none
  std::uint32_t budget_ms;     // for the whole request
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

// Frames that consist of their kind only.
Bytes encode_reload();
Bytes encode_stop();

}  // namespace coprotect::agent::ipc
