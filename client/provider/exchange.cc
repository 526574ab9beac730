#include "client/provider/exchange.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "client/provider/params.h"

namespace coprotect::provider {
namespace {

using keyclient::Kdf;

struct Hash {
  Kdf kdf;
  std::array<std::string_view, 4> names;  // OpenSSL's names; the first is the usual one
};
constexpr std::array<Hash, 4> kHashes = {{
    {Kdf::sha1, {"SHA1", "SHA-1", "SSL3-SHA1", "1.3.14.3.2.26"}},
    {Kdf::sha256, {"SHA256", "SHA2-256", "SHA-256", "2.16.840.1.101.3.4.2.1"}},
    {Kdf::sha384, {"SHA384", "SHA2-384", "SHA-384", "2.16.840.1.101.3.4.2.2"}},
    {Kdf::sha512, {"SHA512", "SHA2-512", "SHA-512", "2.16.840.1.101.3.4.2.3"}},
}};

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
    return upper(x) == upper(y);
  });
}

std::optional<Kdf> hash_of(std::string_view name) {
  for (const Hash& hash : kHashes)
    for (const std::string_view known : hash.names)
      if (same_name(known, name)) return hash.kdf;
  return std::nullopt;
}

std::string name_of(Kdf kdf) {
  const auto* const found = std::ranges::find(kHashes, kdf, &Hash::kdf);
  return std::string(found->names[0]);
}

}  // namespace

Status Exchange::begin(const KeyObject& key) {
  if (key.joint == nullptr) return Error(Code::malformed, "only a joint key derives here, and this is none");
  key_ = key.joint;
  peer_.clear();
  return Done{};
}

Status Exchange::set_peer(const KeyObject& peer) {
  if (key_ == nullptr) return Error(Code::malformed, "a peer is given before a key");
  if (peer.kind != kind_ || !peer.group || peer.group->prime != key_->prime || peer.value.empty())
    return Error(Code::malformed, "the peer's public key is not of the group of \"" + key_->name + "\"");
  peer_ = peer.value;
  return Done{};
}

Status Exchange::set_kdf(const OSSL_PARAM params[]) {
  if (const auto type = text_param(params, OSSL_EXCHANGE_PARAM_KDF_TYPE)) {
    const bool x963 = kind_ == Kind::ec && same_name(*type, OSSL_KDF_NAME_X963KDF);
    if (!type->empty() && !x963)
      return Error(Code::malformed, "joint keys do not derive with the KDF \"" + *type + "\"");
    with_kdf_ = x963;
  }
  if (const auto digest = text_param(params, OSSL_EXCHANGE_PARAM_KDF_DIGEST)) {
    const auto hash = hash_of(*digest);
    if (!hash) return Error(Code::malformed, "joint keys do not derive with the digest \"" + *digest + "\"");
    hash_ = *hash;
  }
  if (const auto size = size_param(params, OSSL_EXCHANGE_PARAM_KDF_OUTLEN)) {
    if (*size > keyclient::kMaxDerived) return Error(Code::malformed, "more is asked of a KDF than it gives");
    kdf_size_ = *size;
  }
  if (auto info = bytes_param(params, OSSL_EXCHANGE_PARAM_KDF_UKM)) {
    if (info->size() > keyclient::kMaxSharedInfo)
      return Error(Code::malformed, "a KDF's user key material is longer than it may be");
    shared_info_ = *std::move(info);
  }
  return Done{};
}

Status Exchange::set(const OSSL_PARAM params[]) {
  if (params == nullptr) return Done{};
  if (auto kdf = set_kdf(params); !kdf) return kdf;
  if (const auto pad = int_param(params, OSSL_EXCHANGE_PARAM_PAD)) pad_ = *pad != 0;
  // For P-256, whose cofactor is 1, all modes are equal.
  const auto mode = int_param(params, OSSL_EXCHANGE_PARAM_EC_ECDH_COFACTOR_MODE);
  if (mode && (*mode < -1 || *mode > 1)) return Error(Code::malformed, "a cofactor mode is -1, 0 or 1");
  return Done{};
}

Status Exchange::get(OSSL_PARAM params[]) const {
  if (params == nullptr) return Done{};
  ParamAnswer answer(params);
  answer.set_text(OSSL_EXCHANGE_PARAM_KDF_TYPE, with_kdf_ ? OSSL_KDF_NAME_X963KDF : "");
  answer.set_text(OSSL_EXCHANGE_PARAM_KDF_DIGEST, with_kdf_ ? name_of(hash_) : "");
  answer.set_size(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, kdf_size_);
  answer.set_bytes_pointer(OSSL_EXCHANGE_PARAM_KDF_UKM, shared_info_);
  answer.set_int(OSSL_EXCHANGE_PARAM_EC_ECDH_COFACTOR_MODE, 0);
  return answer.status();
}

Result<std::size_t> Exchange::size() const {
  if (key_ == nullptr) return Error(Code::malformed, "a secret is asked for before a key is given");
  if (with_kdf_ && kdf_size_ == 0)
    return Error(Code::malformed, "a KDF is asked for, and not how much of it");
  return with_kdf_ ? kdf_size_ : keyclient::shared_secret_size(key_->suite);
}

Result<std::size_t> Exchange::derive(std::span<std::uint8_t> into) const {
  const auto wanted = size();
  if (!wanted) return wanted;
  if (peer_.empty()) return Error(Code::malformed, "a secret is asked for before a peer is given");
  if (into.size() < *wanted) return Error(Code::malformed, "no room for the secret");
  const auto secret =
      context_->client().derive({.key_id = key_->key_id,
                                 .peer = peer_,
                                 .kdf = with_kdf_ ? hash_ : Kdf::none,
                                 .shared_info = with_kdf_ ? ByteView(shared_info_) : ByteView(),
                                 .size = static_cast<std::uint16_t>(*wanted)},
                                key_->patience);
  if (!secret) return secret.error();
  ByteView bytes = secret->reveal();
  const bool strip = kind_ == Kind::dh && !pad_;
  while (strip && !bytes.empty() && bytes.front() == 0) bytes = bytes.subspan(1);
  std::ranges::copy(bytes, into.begin());
  return bytes.size();
}

}  // namespace coprotect::provider
