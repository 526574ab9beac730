#include "client/keyclient/key_client.h"

namespace coprotect::keyclient {
namespace {

// For work that the helper does by itself: reading files, checking a bundle, deriving a key from a
// passphrase.
constexpr std::chrono::seconds kLocalPatience{20};
// The time of a request beyond the agents' time.
constexpr std::chrono::seconds kMargin{5};

}  // namespace

Result<WipedBytes> KeyClient::ask(const Request& request, std::chrono::milliseconds patience) {
  return link_.get().exchange(request.encode_head(), request.passphrase,
                              std::chrono::steady_clock::now() + patience);
}

Result<std::vector<Key>> KeyClient::list() {
  const auto reply = ask({.operation = Operation::list}, kLocalPatience);
  if (!reply) return reply.error();
  return parse_keys(reply->reveal());
}

Result<Certificate> KeyClient::certificate(const KeyId& key_id) {
  Request request{.operation = Operation::certificate};
  request.derivation.key_id = key_id;
  const auto reply = ask(request, kLocalPatience);
  if (!reply) return reply.error();
  return parse_certificate(reply->reveal());
}

Status KeyClient::login(ByteView passphrase) {
  if (passphrase.size() > kMaxPassphrase)
    return Error(Code::wrong_code, "the passphrase is longer than it may be");
  const auto reply = ask({.operation = Operation::login, .passphrase = passphrase}, kLocalPatience);
  if (!reply) return reply.error();
  return parse_done(reply->reveal());
}

Status KeyClient::logout() {
  const auto reply = ask({.operation = Operation::logout}, kLocalPatience);
  if (!reply) return reply.error();
  return parse_done(reply->reveal());
}

Result<WipedBytes> KeyClient::derive(const Derivation& derivation, std::chrono::milliseconds patience) {
  if (derivation.peer.empty() || derivation.peer.size() > kMaxPeer ||
      derivation.shared_info.size() > kMaxSharedInfo || derivation.size == 0 || derivation.size > kMaxDerived)
    return Error(Code::malformed, "a value is longer than it may be, or empty");
  const auto reply = ask({.operation = Operation::derive, .derivation = derivation}, patience + kMargin);
  if (!reply) return reply.error();
  return parse_secret(reply->reveal(), derivation.size);
}

Result<Encapsulation> KeyClient::encapsulate(const Key& key) {
  Request request{.operation = Operation::encapsulate};
  request.derivation.key_id = key.key_id;
  const auto reply = ask(request, kLocalPatience);
  if (!reply) return reply.error();
  auto made = parse_encapsulation(reply->reveal());
  if (made && made->bytes.size() != encapsulation_size(key.suite))
    return Error(Code::internal, "coprotect-keyd sent an encapsulation of another size");
  return made;
}

Result<WipedBytes> KeyClient::decapsulate(const Key& key, ByteView encapsulation) {
  if (encapsulation.size() != encapsulation_size(key.suite))
    return Error(Code::malformed, "not an encapsulation for \"" + key.name + "\"");
  Request request{.operation = Operation::decapsulate, .encapsulation = encapsulation};
  request.derivation.key_id = key.key_id;
  const auto reply = ask(request, key.patience + kMargin);
  if (!reply) return reply.error();
  return parse_secret(reply->reveal(), kEncapsulatedSecretSize);
}

}  // namespace coprotect::keyclient
