#include "provisioning/canary.h"

#include "protocol/crypto/hash.h"
#include "protocol/file/body.h"

namespace coprotect::provisioning {
namespace {

constexpr std::size_t kSize = 4096;  // less than a chunk
constexpr std::size_t kTag = 16;

}  // namespace

Result<Canary> Canary::make(const protocol::Bundle& bundle, Random& random) {
  Canary canary(bundle);
  if (bundle.parameters()->purpose == protocol::Purpose::derive) {
    const auto x = protocol::Scalar::random(bundle.group().scalars(), random);
    canary.peer_ = bundle.group().generator_power_secret(x);
    const auto shared = bundle.group().power_secret(bundle.public_key().h(), x);
    canary.digest_ = protocol::sha256(shared.encode_secret().reveal());
    return canary;
  }
  auto made = protocol::Header::create(bundle.public_key(), bundle.key_id(), {}, random);
  if (!made) return std::move(made).error();
  Bytes content(kSize);
  random.fill(content);
  const auto key = protocol::BodyKey::create(made->second, made->first.core_hash(), random);
  canary.body_.assign(key.prefix().begin(), key.prefix().end());
  canary.body_.resize(key.prefix().size() + kSize + kTag);
  protocol::ChunkCipher(key, protocol::ChunkCipher::Direction::seal)
      .seal(0, content, std::span(canary.body_).subspan(key.prefix().size()));
  canary.digest_ = protocol::sha256(content);
  canary.header_ = std::move(made->first);
  return canary;
}

const protocol::Element& Canary::base() const {
  return peer_ ? *peer_ : header_->stanzas().front().ciphertext.c1;
}

client::PartialExchange Canary::ask(std::size_t party, const client::Asker& asker, std::int64_t now_ms,
                                    Random& random) const {
  if (peer_)
    return client::PartialExchange::make(bundle_, party, std::span(&*peer_, 1), asker, now_ms, random);
  const client::LockedFile file{.header = &*header_, .stanza = &header_->stanzas().front()};
  return client::PartialExchange::make(bundle_, party, std::span(&file, 1), asker, now_ms, random);
}

protocol::IndexedPartial Canary::part(std::uint8_t index, const protocol::Scalar& share) const {
  return {.index = index, .value = bundle_.group().power_secret(base(), share)};
}

Result<Secret> Canary::open(std::span<const protocol::IndexedPartial> parts) const {
  if (peer_) {
    const auto shared = protocol::combine(parts);
    if (!shared) return shared.error();
    return shared->encode_secret();
  }
  const auto m = protocol::combine(header_->stanzas().front().ciphertext.c2, parts);
  if (!m) return m.error();
  const auto file_key = header_->unlock(*m);
  if (!file_key) return file_key.error();
  const auto key = protocol::BodyKey::open(*file_key, header_->core_hash(),
                                           ByteView(body_).first(protocol::kBodyPrefixSize));
  if (!key) return key.error();
  Secret content(kSize);
  auto opened = protocol::ChunkCipher(*key, protocol::ChunkCipher::Direction::open)
                    .open(0, ByteView(body_).subspan(protocol::kBodyPrefixSize), content.fill());
  if (!opened) return std::move(opened).error();
  return content;
}

Status Canary::check(std::span<const protocol::IndexedPartial> parts) const {
  const auto content = open(parts);
  if (!content) return content.error();
  if (protocol::sha256(content->reveal()) != digest_)
    return Error(Code::altered, "what came out is not the canary");
  return Done{};
}

}  // namespace coprotect::provisioning
