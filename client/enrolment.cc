#include "client/enrolment.h"

#include "client/files/small_file.h"
#include "protocol/base/dead_stack.h"

namespace coprotect::client {
namespace {

constexpr std::size_t kMaxPemSize = 64 * 1024;

std::string quoted(const std::filesystem::path& file) {
  return "\"" + file.string() + "\"";
}

Result<protocol::SigningKey> read_key(ByteView pem, const AskPassphrase& ask) {
  if (!protocol::SigningKey::is_encrypted_pem(pem)) return protocol::SigningKey::from_pem(pem);
  if (!ask)
    return Error(Code::unauthenticated, "it is encrypted, and nobody can be asked for its passphrase");
  const auto passphrase = ask();
  if (!passphrase) return passphrase.error();
  return protocol::SigningKey::from_encrypted_pem(pem, *passphrase);
}

}  // namespace

Result<protocol::Bundle> load_bundle(const std::filesystem::path& file,
                                     const std::optional<protocol::KeyId>& pin) {
  const auto content = read_small_file(file, kMaxBundleSize);
  if (!content) return Error(content.error()).in("bundle");
  auto bundle = protocol::Bundle::parse(*content);
  if (!bundle) {
    return Error(Code::altered,
                 "bundle " + quoted(file) + " is altered, or none: " + bundle.error().message());
  }
  if (pin && *pin != bundle->key_id()) {
    return Error(Code::unauthenticated, "bundle " + quoted(file) + " is of key " + to_hex(bundle->key_id()) +
                                            ", not of the pinned key " + to_hex(*pin));
  }
  return bundle;
}

Status check_purpose(const protocol::Bundle& bundle, protocol::Purpose purpose) {
  if (bundle.parameters()->purpose == purpose) return Done{};
  const std::string key = "key " + to_hex(bundle.key_id());
  return Error(Code::denied, purpose == protocol::Purpose::envelope
                                 ? key + " is of purpose derive: it encrypts no files"
                                 : key + " is of purpose envelope: it is for files and derives nothing");
}

Result<bool> key_is_encrypted(const Config& config) {
  const auto pem = read_secret_file(config.key, kMaxPemSize);
  if (!pem) return Error(pem.error()).in("key");
  return protocol::SigningKey::is_encrypted_pem(pem->reveal());
}

Result<Credentials> load_credentials(const Config& config, const AskPassphrase& ask) {
  const auto certificate_pem = read_small_file(config.certificate, kMaxPemSize);
  if (!certificate_pem) return Error(certificate_pem.error()).in("certificate");
  auto certificate = protocol::Certificate::parse_pem(*certificate_pem);
  if (!certificate) return std::move(certificate).error().in("certificate " + quoted(config.certificate));
  const WipesDeadStack nothing_left;
  const auto key_pem = read_secret_file(config.key, kMaxPemSize);
  if (!key_pem) return Error(key_pem.error()).in("key");
  auto key = read_key(key_pem->reveal(), ask);
  if (!key) return std::move(key).error().in("key " + quoted(config.key));
  if (!(key->public_key() == certificate->key())) {
    return Error(Code::malformed, "key " + quoted(config.key) + " is not the one of certificate " +
                                      quoted(config.certificate));
  }
  return Credentials{.certificate = *std::move(certificate), .key = *std::move(key)};
}

}  // namespace coprotect::client
