#include "client/keyclient/message.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "protocol/base/reader.h"
#include "protocol/base/text.h"
#include "protocol/base/writer.h"

namespace coprotect::keyclient {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kPointSize = 65;
constexpr std::uint8_t kUncompressed = 4;

// The code on the channel is the index in this list plus 1.
constexpr std::array kReportedCodes = {Code::malformed, Code::unauthenticated, Code::denied,
                                       Code::not_found, Code::wrong_code,      Code::unavailable,
                                       Code::internal};

std::uint8_t number_of(Code code) {
  const auto* const place = std::find(kReportedCodes.begin(), kReportedCodes.end(), code);
  if (place == kReportedCodes.end()) return number_of(Code::internal);
  return static_cast<std::uint8_t>(place - kReportedCodes.begin() + 1);
}

Error not_a_request() {
  return {Code::malformed, "not a request"};
}
Error not_a_reply() {
  return {Code::internal, "coprotect-keyd sent something that is not a reply"};
}

std::optional<Suite> suite_of(std::uint16_t number) {
  switch (const auto suite = static_cast<Suite>(number)) {
    case Suite::ffdhe2048:
    case Suite::ffdhe3072:
    case Suite::ffdhe4096:
    case Suite::p256:
      return suite;
  }
  return std::nullopt;
}

std::optional<Operation> operation_of(std::uint8_t number) {
  switch (const auto operation = static_cast<Operation>(number)) {
    case Operation::list:
    case Operation::certificate:
    case Operation::login:
    case Operation::logout:
    case Operation::derive:
    case Operation::encapsulate:
    case Operation::decapsulate:
      return operation;
  }
  return std::nullopt;
}

bool names_a_key(Operation operation) {
  switch (operation) {
    case Operation::certificate:
    case Operation::derive:
    case Operation::encapsulate:
    case Operation::decapsulate:
      return true;
    case Operation::list:
    case Operation::login:
    case Operation::logout:
      break;
  }
  return false;
}

std::optional<Kdf> kdf_of(std::uint8_t number) {
  if (number > static_cast<std::uint8_t>(Kdf::sha512)) return std::nullopt;
  return static_cast<Kdf>(number);
}

std::optional<bool> read_bool(Reader& reader) {
  const auto value = reader.u8();
  if (!value || *value > 1) return std::nullopt;
  return *value == 1;
}

std::optional<Bytes> read_bytes(Reader& reader, std::size_t max) {
  const auto view = reader.lp();
  if (!view || view->size() > max) return std::nullopt;
  return Bytes(view->begin(), view->end());
}

std::optional<Derivation> read_derivation(Reader& reader, const KeyId& key_id) {
  const auto number = reader.u8();
  const auto kdf = number ? kdf_of(*number) : std::nullopt;
  const auto size = reader.u16();
  const auto peer = reader.lp();
  const auto shared_info = reader.lp();
  if (!kdf || !size || *size == 0 || *size > kMaxDerived || !peer || peer->empty() ||
      peer->size() > kMaxPeer || !shared_info || shared_info->size() > kMaxSharedInfo ||
      (*kdf == Kdf::none && !shared_info->empty()))
    return std::nullopt;
  return Derivation{.key_id = key_id, .peer = *peer, .kdf = *kdf, .shared_info = *shared_info, .size = *size};
}

std::optional<Key> read_key(Reader& reader) {
  auto name = reader.text();
  const auto key_id = reader.array<32>();
  const auto suite_number = reader.u16();
  const auto suite = suite_number ? suite_of(*suite_number) : std::nullopt;
  const auto purpose = reader.u8();
  const auto login_needed = read_bool(reader);
  const auto patience = reader.u32();
  if (!name || name->empty() || name->size() > kMaxKeyName || !valid_utf8(*name) || !key_id || !suite ||
      !purpose || *purpose < 1 || *purpose > 2 || !login_needed || !patience)
    return std::nullopt;
  auto public_key = read_bytes(reader, kMaxPeer);
  auto prime = read_bytes(reader, kMaxPeer);
  if (!public_key || !prime) return std::nullopt;
  const bool point = *suite == Suite::p256;
  const std::size_t width = shared_secret_size(*suite);
  if (point ? public_key->size() != kPointSize || public_key->front() != kUncompressed || !prime->empty()
            : public_key->size() != width || prime->size() != width)
    return std::nullopt;
  return Key{.name = *std::move(name),
             .key_id = *key_id,
             .suite = *suite,
             .purpose = static_cast<Purpose>(*purpose),
             .login_needed = *login_needed,
             .patience = std::chrono::milliseconds(*patience),
             .public_key = *std::move(public_key),
             .prime = *std::move(prime)};
}

Writer reply_head(std::uint8_t code) {
  Writer writer;
  writer.literal("CPKA").u8(kVersion).u8(code);
  return writer;
}

// The body of a reply that reports success.
Result<Reader> body_of(ByteView reply) {
  Reader reader(reply);
  const bool magic = reader.literal("CPKA") && reader.u8() == kVersion;
  const auto code = reader.u8();
  if (!magic || !code || *code > kReportedCodes.size()) return not_a_reply();
  if (*code == 0) return reader;
  const auto reason = reader.lp();
  if (!reason || reason->size() > kMaxReason || !reader.empty()) return not_a_reply();
  return Error(kReportedCodes[*code - 1], one_line(text_of(*reason)));
}

}  // namespace

std::string_view suite_name(Suite suite) {
  switch (suite) {
    case Suite::ffdhe2048:
      return "ffdhe2048";
    case Suite::ffdhe3072:
      return "ffdhe3072";
    case Suite::ffdhe4096:
      return "ffdhe4096";
    case Suite::p256:
      return "p256";
  }
  return "";
}

std::size_t shared_secret_size(Suite suite) {
  switch (suite) {
    case Suite::ffdhe2048:
      return 256;
    case Suite::ffdhe3072:
      return 384;
    case Suite::ffdhe4096:
      return 512;
    case Suite::p256:
      return 32;
  }
  std::abort();
}

// Core, one stanza and HMAC of SPEC.md §9.1 after the 5 bytes of §9.5.
std::size_t encapsulation_size(Suite suite) {
  const bool point = suite == Suite::p256;
  const std::size_t scalar = shared_secret_size(suite);
  const std::size_t element = point ? scalar + 1 : scalar;
  const std::size_t core = 8 + 2 + 2 + 32 + 4;
  const std::size_t stanzas = 1 + 2 + 2 + 32 + 3 * element + 32 + scalar;
  return 5 + core + stanzas + 32;
}

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, kMaxReason));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return line;
}

Bytes Request::encode_head() const {
  Writer writer;
  writer.literal("CPKQ").u8(kVersion).u8(static_cast<std::uint8_t>(operation));
  if (names_a_key(operation)) writer.bytes(derivation.key_id);
  if (operation == Operation::derive) {
    writer.u8(static_cast<std::uint8_t>(derivation.kdf)).u16(derivation.size);
    writer.lp(derivation.peer).lp(derivation.shared_info);
  }
  if (operation == Operation::decapsulate) writer.lp(encapsulation);
  return std::move(writer).take();
}

Result<Request> Request::parse(ByteView encoded) {
  Reader reader(encoded);
  const bool magic = reader.literal("CPKQ") && reader.u8() == kVersion;
  const auto number = reader.u8();
  const auto operation = number ? operation_of(*number) : std::nullopt;
  if (!magic || !operation) return not_a_request();
  Request request{.operation = *operation};
  if (*operation == Operation::login) {
    request.passphrase = reader.rest();
    if (request.passphrase.size() > kMaxPassphrase) return not_a_request();
    return request;
  }
  if (names_a_key(*operation)) {
    const auto key_id = reader.array<32>();
    if (!key_id) return not_a_request();
    request.derivation.key_id = *key_id;
  }
  if (*operation == Operation::derive) {
    const auto derivation = read_derivation(reader, request.derivation.key_id);
    if (!derivation) return not_a_request();
    request.derivation = *derivation;
  }
  if (*operation == Operation::decapsulate) {
    const auto encapsulation = reader.lp();
    if (!encapsulation || encapsulation->empty() || encapsulation->size() > kMaxEncapsulation)
      return not_a_request();
    request.encapsulation = *encapsulation;
  }
  if (!reader.empty()) return not_a_request();
  return request;
}

Bytes encode_done() {
  return reply_head(0).take();
}

Bytes encode_failure(const Error& error) {
  return std::move(reply_head(number_of(error.code())).lp(one_line(error.message()))).take();
}

Bytes encode_keys(const std::vector<Key>& keys) {
  invariant(keys.size() <= kMaxKeys);
  Writer writer = reply_head(0);
  writer.u8(static_cast<std::uint8_t>(keys.size()));
  for (const Key& key : keys) {
    const auto patience =
        std::min<std::int64_t>(key.patience.count(), std::numeric_limits<std::uint32_t>::max());
    writer.lp(key.name).bytes(key.key_id).u16(static_cast<std::uint16_t>(key.suite));
    writer.u8(static_cast<std::uint8_t>(key.purpose)).u8(key.login_needed ? 1 : 0);
    writer.u32(static_cast<std::uint32_t>(patience)).lp(key.public_key).lp(key.prime);
  }
  return std::move(writer).take();
}

Bytes encode_certificate(const Certificate& certificate) {
  Writer writer = reply_head(0);
  writer.lp(certificate.der).lp(certificate.subject).lp(certificate.issuer).lp(certificate.serial);
  return std::move(writer).take();
}

Bytes encode_encapsulation_head(ByteView encapsulation) {
  return std::move(reply_head(0).lp(encapsulation)).take();
}

Status parse_done(ByteView reply) {
  const auto body = body_of(reply);
  if (!body) return body.error();
  if (!body->empty()) return not_a_reply();
  return Done{};
}

Result<std::vector<Key>> parse_keys(ByteView reply) {
  auto body = body_of(reply);
  if (!body) return body.error();
  const auto count = body->u8();
  if (!count || *count > kMaxKeys) return not_a_reply();
  std::vector<Key> keys;
  for (std::size_t i = 0; i < *count; ++i) {
    auto key = read_key(*body);
    if (!key) return not_a_reply();
    keys.push_back(*std::move(key));
  }
  if (!body->empty()) return not_a_reply();
  return keys;
}

Result<Certificate> parse_certificate(ByteView reply) {
  auto body = body_of(reply);
  if (!body) return body.error();
  auto der = read_bytes(*body, kMaxCertificate);
  auto subject = read_bytes(*body, kMaxCertificate);
  auto issuer = read_bytes(*body, kMaxCertificate);
  auto serial = read_bytes(*body, kMaxCertificate);
  if (!der || !subject || !issuer || !serial || !body->empty()) return not_a_reply();
  if (der->empty() != subject->empty() || der->empty() != issuer->empty() || der->empty() != serial->empty())
    return not_a_reply();
  return Certificate{.der = *std::move(der),
                     .subject = *std::move(subject),
                     .issuer = *std::move(issuer),
                     .serial = *std::move(serial)};
}

Result<WipedBytes> parse_secret(ByteView reply, std::size_t size) {
  const auto body = body_of(reply);
  if (!body) return body.error();
  if (body->size() != size) return not_a_reply();
  return WipedBytes::copy_of(body->rest());
}

Result<Encapsulation> parse_encapsulation(ByteView reply) {
  auto body = body_of(reply);
  if (!body) return body.error();
  auto bytes = read_bytes(*body, kMaxEncapsulation);
  if (!bytes || bytes->empty() || body->size() != kEncapsulatedSecretSize) return not_a_reply();
  return Encapsulation{.bytes = *std::move(bytes), .secret = WipedBytes::copy_of(body->rest())};
}

}  // namespace coprotect::keyclient
