#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "client/keyclient/wiped.h"
#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::keyclient {

// The messages between a program that uses keys and its coprotect-keyd (docs/decisions/0012). Both ends are
// processes of one user, machine and build. Each still treats the other as hostile.
//
// The channel is a SOCK_SEQPACKET socket pair. A request is one packet with one descriptor: a socket of the
// same kind, made for this request only. The reply is the only packet on that socket. So any number of
// threads can have requests open, and a thread that gives up closes only its own socket.

constexpr int kKeydChannel = 3;  // the helper's descriptor of the channel
constexpr std::size_t kMaxRequest = 8 * 1024;
constexpr std::size_t kMaxReply = 128 * 1024;
constexpr std::size_t kMaxKeys = 64;
constexpr std::size_t kMaxKeyName = 64;
constexpr std::size_t kMaxPeer = 1'024;
constexpr std::size_t kMaxSharedInfo = 4'096;
constexpr std::size_t kMaxPassphrase = 1'024;
constexpr std::size_t kMaxDerived = 4'096;
constexpr std::size_t kMaxEncapsulation = 4'096;
constexpr std::size_t kMaxCertificate = 32 * 1024;
constexpr std::size_t kMaxReason = 512;
constexpr std::size_t kEncapsulatedSecretSize = 32;

using KeyId = ByteArray<32>;

// The numbers of protocol/SPEC.md §2 and §5.1.
enum class Suite : std::uint16_t { ffdhe2048 = 1, ffdhe3072 = 2, ffdhe4096 = 3, p256 = 0x10 };
enum class Purpose : std::uint8_t { envelope = 1, derive = 2 };
// "p256", "ffdhe3072"
std::string_view suite_name(Suite suite);
// Bytes of a raw shared secret: of x for p256, of p for the others.
std::size_t shared_secret_size(Suite suite);
// Bytes of an encapsulation (protocol/SPEC.md §9.5).
std::size_t encapsulation_size(Suite suite);

enum class Operation : std::uint8_t {
  list = 1,
  certificate = 2,
  login = 3,
  logout = 4,
  derive = 5,
  encapsulate = 6,
  decapsulate = 7,
};

// ANSI X9.63 with this hash, or the raw shared secret.
enum class Kdf : std::uint8_t { none = 0, sha1 = 1, sha256 = 2, sha384 = 3, sha512 = 4 };

// One Diffie–Hellman with a key of purpose derive.
struct Derivation {
  KeyId key_id;
  ByteView peer;  // p256: SEC 1 §2.3.3, either form; others: the integer, big-endian, at most p's width
  Kdf kdf = Kdf::none;
  ByteView shared_info;    // empty without a KDF
  std::uint16_t size = 0;  // bytes wanted; without a KDF the last ones of the secret, at most all of it
};

// A request. What it points to is outside.
//   "CPKQ" | version u8 = 1 | operation u8 | body
//     list, logout  empty
//     certificate   key_id 32
//     login         passphrase: the rest of the packet
//     derive        key_id 32 | kdf u8 | size u16 | peer lp | shared_info lp
//     encapsulate   key_id 32
//     decapsulate   key_id 32 | encapsulation lp
struct Request {
  Operation operation;
  Derivation derivation = {};   // of derive; its key_id is that of every request that names a key
  ByteView passphrase = {};     // of login
  ByteView encapsulation = {};  // of decapsulate

  // Everything but the passphrase, which is sent from where it is stored.
  Bytes encode_head() const;
  static Result<Request> parse(ByteView encoded);
};

// A key of the client's configuration.
struct Key {
  std::string name;
  KeyId key_id;
  Suite suite;
  Purpose purpose;
  bool login_needed;  // a passphrase protects the client's own key
  std::chrono::milliseconds
      patience;      // how long the helper takes at most to answer a request for which it asks the agents
  Bytes public_key;  // p256: uncompressed point, 65 bytes; others: y, p's width
  Bytes prime;       // p; empty for p256
};

// A joint key's certificate and the fields that programs ask for. All empty if the configuration names none.
struct Certificate {
  Bytes der;
  Bytes subject;
  Bytes issuer;
  Bytes serial;  // INTEGER in DER, like the two names
};

// A fresh secret, and the bytes from which only the agents together can recover it.
struct Encapsulation {
  Bytes bytes;
  WipedBytes secret;
};

// A reply.
//   "CPKA" | version u8 = 1 | code u8 | body; code 0: done
//     list          count u8, for each:
//                     name lp | key_id 32 | suite u16 | purpose u8 | login_needed u8 | patience u32 (ms)
//                     public_key lp | prime lp
//     certificate   der lp | subject lp | issuer lp | serial lp
//     login, logout empty
//     derive, decapsulate  the secret: the rest of the packet
//     encapsulate   encapsulation lp | the secret: the rest of the packet
//   another code: reason (text)
// Codes: malformed      the request is invalid, the peer's value is not a member of the group, or the
//                       encapsulation is not for this key or was changed
//        unauthenticated  a passphrase is needed first
//        denied         an agent refuses: by policy, by a limit, or because it does not know the client
//        not_found      there is no such key
//        wrong_code     wrong passphrase
//        unavailable    too few agents answer
//        internal       everything else
Bytes encode_done();
Bytes encode_failure(const Error& error);
Bytes encode_keys(const std::vector<Key>& keys);
Bytes encode_certificate(const Certificate& certificate);
// Everything but the secret, which is sent from where it is stored.
Bytes encode_encapsulation_head(ByteView encapsulation);

// Each returns the helper's error, or Code::internal for a malformed reply.
Status parse_done(ByteView reply);
Result<std::vector<Key>> parse_keys(ByteView reply);
Result<Certificate> parse_certificate(ByteView reply);
// `size`: the number of bytes requested.
Result<WipedBytes> parse_secret(ByteView reply, std::size_t size);
Result<Encapsulation> parse_encapsulation(ByteView reply);

// An external text as one line of printable ASCII of at most kMaxReason bytes.
std::string one_line(std::string_view text);

}  // namespace coprotect::keyclient
