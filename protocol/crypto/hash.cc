#include "protocol/crypto/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "protocol/base/owned.h"

namespace coprotect::protocol {
namespace {

constexpr std::size_t kBlockSize = 64;  // SHA-256's
using DigestContext = Owned<EVP_MD_CTX, EVP_MD_CTX_free>;

// An incremental SHA-256. OpenSSL fails here only if memory runs out, which ends the process.
class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new()) {
    invariant(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  Hasher& add(ByteView bytes) {
    invariant(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
    return *this;
  }
  Hasher& add(std::uint8_t byte) { return add(ByteView(&byte, 1)); }
  Hasher& add_u16(std::size_t value) {
    invariant(value <= 0xffff);
    return add(static_cast<std::uint8_t>(value >> 8)).add(static_cast<std::uint8_t>(value));
  }
  Hasher& add_lp(ByteView bytes) { return add_u16(bytes.size()).add(bytes); }
  void finish(std::span<std::uint8_t, 32> out) {
    invariant(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1);
  }

 private:
  DigestContext context_;
};

void hmac(const EVP_MD* md, ByteView key, ByteView data, std::uint8_t* out) {
  // To HMAC() a null key means "as before", so an empty key needs an address.
  static constexpr std::uint8_t kNoKey = 0;
  const std::uint8_t* const k = key.empty() ? &kNoKey : key.data();
  invariant(HMAC(md, k, static_cast<int>(key.size()), data.data(), data.size(), out, nullptr) != nullptr);
}

// RFC 5869 §2.3: T(i) = HMAC(PRK, T(i−1) ‖ info ‖ i).
Secret expand(const EVP_MD* md, ByteView prk, ByteView info, std::size_t size) {
  const auto hash_size = static_cast<std::size_t>(EVP_MD_get_size(md));
  invariant(size <= 255 * hash_size);
  Secret out(size);
  Secret block(hash_size);
  Secret input(hash_size + info.size() + 1);
  std::copy(info.begin(), info.end(), input.fill().begin() + static_cast<std::ptrdiff_t>(hash_size));
  for (std::size_t done = 0, i = 1; done < size; ++i) {
    input.fill().back() = static_cast<std::uint8_t>(i);
    // The first block has no T(0) before it.
    hmac(md, prk, input.reveal().subspan(i == 1 ? hash_size : 0), block.fill().data());
    const std::size_t n = std::min(hash_size, size - done);
    std::copy_n(block.reveal().begin(), n, out.fill().begin() + static_cast<std::ptrdiff_t>(done));
    std::copy_n(block.reveal().begin(), hash_size, input.fill().begin());
    done += n;
  }
  return out;
}

}  // namespace

Digest sha256(ByteView data) {
  Digest digest;
  Hasher().add(data).finish(digest);
  return digest;
}

Digest tagged_hash(std::string_view tag, std::initializer_list<ByteView> parts) {
  Hasher hasher;
  hasher.add_lp(bytes_of(tag));
  for (const ByteView part : parts) hasher.add_lp(part);
  Digest digest;
  hasher.finish(digest);
  return digest;
}

Digest hmac_sha256(ByteView key, ByteView data) {
  Digest digest;
  hmac(EVP_sha256(), key, data, digest.data());
  return digest;
}

Secret hkdf_sha256(ByteView salt, ByteView ikm, ByteView info, std::size_t size) {
  return expand(EVP_sha256(), hkdf_extract_sha256(salt, ikm).reveal(), info, size);
}

Secret hkdf_extract_sha256(ByteView salt, ByteView ikm) {
  // An empty salt and 32 zero bytes are the same HMAC key.
  Secret prk(32);
  hmac(EVP_sha256(), salt, ikm, prk.fill().data());
  return prk;
}

Secret hkdf_expand_sha256(ByteView prk, ByteView info, std::size_t size) {
  return expand(EVP_sha256(), prk, info, size);
}

Secret hkdf_expand_sha512(ByteView prk, ByteView info, std::size_t size) {
  return expand(EVP_sha512(), prk, info, size);
}

Secret expand_message_xmd(ByteView msg, ByteView dst, std::size_t size) {
  invariant(dst.size() <= 255 && size <= 255 * std::size_t{32});
  const auto dst_size = static_cast<std::uint8_t>(dst.size());
  static constexpr ByteArray<kBlockSize> kZeroPad{};
  Secret b0(32);
  Hasher()
      .add(kZeroPad)
      .add(msg)
      .add_u16(size)
      .add(std::uint8_t{0})
      .add(dst)
      .add(dst_size)
      .finish(b0.fill().first<32>());

  Secret out(size);
  Secret input(32);  // b_0 ⊕ b_(i−1); the first b_(i−1) is zero
  Secret block(32);
  for (std::size_t done = 0, i = 1; done < size; ++i) {
    for (std::size_t k = 0; k < 32; ++k) input.fill()[k] = b0.reveal()[k] ^ block.reveal()[k];
    Hasher()
        .add(input.reveal())
        .add(static_cast<std::uint8_t>(i))
        .add(dst)
        .add(dst_size)
        .finish(block.fill().first<32>());
    const std::size_t n = std::min<std::size_t>(32, size - done);
    std::copy_n(block.reveal().begin(), n, out.fill().begin() + static_cast<std::ptrdiff_t>(done));
    done += n;
  }
  return out;
}

}  // namespace coprotect::protocol
