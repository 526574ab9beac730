#include "protocol/crypto/aead.h"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>

#include "protocol/base/owned.h"

namespace coprotect::protocol {
namespace {

using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

const EVP_CIPHER* aes_256_gcm() {
  // Fetched once, because looking up an algorithm costs more than processing a short message.
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  invariant(cipher != nullptr);
  return cipher;
}

int length(ByteView bytes) {
  invariant(bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(bytes.size());
}

// OpenSSL fails below only if memory runs out or it is used wrongly. Either ends the process.
CipherContext start(ByteView key, ByteView nonce, ByteView aad, bool sealing) {
  invariant(key.size() == kAeadKeySize && nonce.size() == kAeadNonceSize);
  CipherContext context(EVP_CIPHER_CTX_new());
  invariant(context != nullptr);
  invariant(EVP_CipherInit_ex2(context.get(), aes_256_gcm(), key.data(), nonce.data(), sealing, nullptr) ==
            1);
  int written = 0;
  if (!aad.empty())
    invariant(EVP_CipherUpdate(context.get(), nullptr, &written, aad.data(), length(aad)) == 1);
  return context;
}

void run(const CipherContext& context, ByteView in, std::span<std::uint8_t> out) {
  int written = 0;
  if (!in.empty())
    invariant(EVP_CipherUpdate(context.get(), out.data(), &written, in.data(), length(in)) == 1);
  invariant(static_cast<std::size_t>(written) == in.size());
}

}  // namespace

Bytes aead_seal(ByteView key, ByteView nonce, ByteView aad, ByteView plaintext) {
  const CipherContext context = start(key, nonce, aad, true);
  Bytes sealed(plaintext.size() + kAeadTagSize);
  run(context, plaintext, sealed);
  std::uint8_t* const tag = sealed.data() + plaintext.size();
  int written = 0;
  invariant(EVP_CipherFinal_ex(context.get(), tag, &written) == 1);
  invariant(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, tag) == 1);
  return sealed;
}

Result<Secret> aead_open(ByteView key, ByteView nonce, ByteView aad, ByteView sealed) {
  if (sealed.size() < kAeadTagSize) return Error(Code::altered, "sealed text is too short");
  const ByteView ciphertext = sealed.first(sealed.size() - kAeadTagSize);
  ByteArray<kAeadTagSize> tag;
  std::copy(sealed.end() - kAeadTagSize, sealed.end(), tag.begin());

  const CipherContext context = start(key, nonce, aad, false);
  invariant(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, tag.data()) == 1);
  Secret plaintext(ciphertext.size());
  run(context, ciphertext, plaintext.fill());
  int written = 0;
  ByteArray<kAeadTagSize> rest;  // GCM writes nothing at the end, but requires a buffer
  if (EVP_CipherFinal_ex(context.get(), rest.data(), &written) != 1)
    return Error(Code::altered, "sealed text does not open under this key");
  return plaintext;
}

}  // namespace coprotect::protocol
