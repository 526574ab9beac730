#include "protocol/constant_time/cases.h"
#include "protocol/constant_time/poison.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"
#include "protocol/crypto/hpke.h"
#include "protocol/crypto/x963.h"
#include "protocol/file/body.h"

namespace coprotect::constant_time {
namespace {

using namespace protocol;

void hashes() {
  const Secret key = secret_bytes(32);
  const Secret data = secret_bytes(300);
  (void)sha256(data.reveal());
  (void)tagged_hash("CPV1-TEST", {data.reveal(), key.reveal()});
  (void)equal_in_constant_time(hmac_sha256(key.reveal(), data.reveal()), data.reveal().first(32));
}

void key_derivation() {
  const Secret key = secret_bytes(32);
  (void)hkdf_sha256({}, key.reveal(), bytes_of("info"), 80);
  (void)hkdf_expand_sha512(key.reveal(), bytes_of("info"), 76);
  (void)expand_message_xmd(key.reveal(), bytes_of("dst"), 48);
  (void)x963_kdf(X963Hash::sha256, key, bytes_of("info"), 40);
}

void aead() {
  const Secret key = secret_bytes(kAeadKeySize);
  const ByteArray<kAeadNonceSize> nonce{};
  const Secret plaintext = secret_bytes(100);
  Bytes sealed = aead_seal(key.reveal(), nonce, bytes_of("aad"), plaintext.reveal());
  declassify(sealed);  // a ciphertext is sent
  invariant(bool(aead_open(key.reveal(), nonce, bytes_of("aad"), sealed)));
  sealed.front() ^= 1;
  invariant(!aead_open(key.reveal(), nonce, bytes_of("aad"), sealed));
}

void body() {
  const Secret file_key = secret_bytes(32);
  const BodyKey key = BodyKey::create(file_key, Digest{}, system_random());
  const Secret plaintext = secret_bytes(1000);
  Bytes sealed(plaintext.size() + 16);
  ChunkCipher(key, ChunkCipher::Direction::seal).seal(3, plaintext.reveal(), sealed);
  declassify(sealed);        // the file's body
  declassify(key.prefix());  // salt and commitment are in the file
  const auto again = BodyKey::open(file_key, Digest{}, key.prefix());
  Secret opened(plaintext.size());
  ChunkCipher cipher(*again, ChunkCipher::Direction::open);
  invariant(bool(cipher.open(3, sealed, opened.fill())));
  invariant(!cipher.open(4, sealed, opened.fill()));
}

void hpke() {
  const HpkePrivateKey recipient = HpkePrivateKey::generate(poisoned_random());
  HpkePublicKey published = recipient.public_key();
  declassify(published);  // it is the public half
  const Secret plaintext = secret_bytes(32);
  Bytes sealed =
      *hpke_seal(published, bytes_of("info"), bytes_of("aad"), plaintext.reveal(), poisoned_random());
  declassify(sealed);  // a ciphertext is sent
  invariant(bool(recipient.open(sealed, bytes_of("info"), bytes_of("aad"))));
  invariant(!recipient.open(sealed, bytes_of("info"), bytes_of("another")));
}

}  // namespace

std::vector<Case> symmetric_cases() {
  return {
      {"hashes", hashes}, {"key-derivation", key_derivation}, {"aead", aead}, {"body", body}, {"hpke", hpke}};
}

}  // namespace coprotect::constant_time
