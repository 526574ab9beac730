#include "hsm/keyring.h"

#include <algorithm>
#include <utility>

#include "hsm/durable_file.h"
#include "hsm/helper/message.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"

namespace coprotect::hsm {
namespace {

using protocol::aead_open;
using protocol::aead_seal;
using protocol::kAeadNonceSize;
using protocol::kAeadTagSize;
using protocol::SigningKey;

// "CPKR" | version u8 = 1 | name of the token (text) | sealed key lp | nonce 12 | AES-256-GCM(sealed key, aad
// = all before, identity scalar 32 ‖ row key 32 ‖ wrap key 32)
constexpr std::uint8_t kKeyringVersion = 1;
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kSecretsSize = 3 * kKeySize;
constexpr std::size_t kMaxFile = 8'192;

ByteArray<kAeadNonceSize> fresh_nonce(Random& random) {
  ByteArray<kAeadNonceSize> nonce;
  random.fill(nonce);
  return nonce;
}

Secret fresh_key(Random& random) {
  Secret key(kKeySize);
  random.fill(key.fill());
  return key;
}

Bytes wrap_aad(std::string_view context) {
  Writer aad;
  aad.literal("CPV1-WRAP").lp(context);
  return std::move(aad).take();
}

}  // namespace

Result<Keyring> Keyring::create(const Token& token, const std::filesystem::path& file, Random& random) {
  if (std::filesystem::exists(file)) return Error(Code::conflict, "\"" + file.string() + "\" exists already");
  const auto sealed = token.seal_new_key();
  if (!sealed) return sealed.error();
  Keyring keyring(sealed->name, SigningKey::generate(random), fresh_key(random), fresh_key(random));

  const Secret scalar = keyring.identity_.scalar();
  Secret secrets(kSecretsSize);
  auto place = secrets.fill().begin();
  for (const ByteView secret : {scalar.reveal(), keyring.row_key_.reveal(), keyring.wrap_key_.reveal()})
    place = std::copy(secret.begin(), secret.end(), place);

  const auto nonce = fresh_nonce(random);
  Writer writer;
  writer.literal("CPKR").u8(kKeyringVersion).lp(sealed->name).lp(sealed->sealed).bytes(nonce);
  const Bytes ciphertext = aead_seal(sealed->key.reveal(), nonce, writer.view(), secrets.reveal());
  writer.bytes(ciphertext);
  auto written = write_new_file(file, writer.view());
  if (!written) return std::move(written).error();
  return keyring;
}

Result<Keyring> Keyring::open(const Token& token, const std::filesystem::path& file) {
  const auto content = read_secret_file(file, kMaxFile);
  if (!content) return content.error();
  const auto altered = [&] {
    return Error(Code::altered, "\"" + file.string() + "\" is not a keyring of this token");
  };
  Reader reader(*content);
  const bool magic = reader.literal("CPKR") && reader.u8() == kKeyringVersion;
  const auto name = reader.text();
  const auto sealed = reader.lp();
  const auto nonce = reader.array<kAeadNonceSize>();
  if (!magic || !name || name->empty() || name->size() > kMaxTokenName || !sealed || !nonce ||
      reader.size() != kSecretsSize + kAeadTagSize)
    return altered();

  auto key = token.named(*name).unseal(*sealed);
  if (!key) return std::move(key).error().in("\"" + file.string() + "\"");
  const ByteView bound = ByteView(*content).first(content->size() - reader.size());
  const auto secrets = aead_open(key->reveal(), *nonce, bound, reader.rest());
  if (!secrets) return altered();
  const ByteView plain = secrets->reveal();
  auto identity = SigningKey::from_scalar(plain.first(kKeySize));
  if (!identity) return altered();
  return Keyring(*name, *std::move(identity), Secret::copy_of(plain.subspan(kKeySize, kKeySize)),
                 Secret::copy_of(plain.last(kKeySize)));
}

Digest Keyring::mac(ByteView row) const {
  return protocol::hmac_sha256(row_key_.reveal(), row);
}

// nonce 12 | AES-256-GCM(wrap key, nonce, aad = "CPV1-WRAP" ‖ lp(context), plaintext)
Bytes Keyring::wrap(std::string_view context, const Secret& plaintext, Random& random) const {
  const auto nonce = fresh_nonce(random);
  Writer writer;
  writer.bytes(nonce).bytes(aead_seal(wrap_key_.reveal(), nonce, wrap_aad(context), plaintext.reveal()));
  return std::move(writer).take();
}

Result<Secret> Keyring::unwrap(std::string_view context, ByteView wrapped) const {
  Reader reader(wrapped);
  const auto nonce = reader.array<kAeadNonceSize>();
  if (!nonce || reader.size() < kAeadTagSize) return Error(Code::altered, "not a wrapped secret");
  return aead_open(wrap_key_.reveal(), *nonce, wrap_aad(context), reader.rest());
}

}  // namespace coprotect::hsm
