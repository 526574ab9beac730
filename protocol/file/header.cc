#include "protocol/file/header.h"

#include <algorithm>

#include "protocol/base/dead_stack.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/file/header_parts.h"
#include "protocol/file/magic.h"

namespace coprotect::protocol {
namespace {

constexpr std::size_t kMacSize = 32;

Error malformed_header(std::string what) {
  return {Code::malformed, "header: " + std::move(what)};
}

Result<Core> read_core(Reader& reader) {
  if (!reader.literal(kHeaderMagic)) return Error(Code::malformed, "not an encrypted file");
  const auto suite = reader.u16();
  const auto flags = reader.u16();
  const auto nonce = reader.array<32>();
  const auto policy_size = reader.u32();
  if (!suite || !flags || !nonce || !policy_size) return malformed_header("cut in its core");
  const auto known = parse_suite(*suite);
  if (!known) return Error(known.error()).in("header");
  if (*flags != 0) return malformed_header("unknown flags");
  if (*policy_size > kMaxPolicySize) return malformed_header("policy is over 65535 bytes");
  const auto policy = reader.bytes(*policy_size);
  if (!policy) return malformed_header("cut in its policy");
  return Core{.suite = *known, .file_nonce = *nonce, .policy = Bytes(policy->begin(), policy->end())};
}

// The content of a stanza of type kStanzaTdh2.
Result<Stanza> read_tdh2(ByteView content, const Group& group) {
  Reader fields(content);
  const auto key_id = fields.array<32>();
  const auto c1_bytes = fields.bytes(group.element_size());
  const auto u_bar_bytes = fields.bytes(group.element_size());
  const auto c2_bytes = fields.bytes(group.element_size());
  const auto e = fields.array<32>();
  const auto f_bytes = fields.bytes(group.scalar_size());
  if (!key_id || !c1_bytes || !u_bar_bytes || !c2_bytes || !e || !f_bytes || !fields.empty()) {
    return malformed_header("a stanza has the wrong size");
  }
  auto c1 = group.parse(*c1_bytes);
  if (!c1) return std::move(c1).error().in("header");
  auto u_bar = group.parse(*u_bar_bytes);
  if (!u_bar) return std::move(u_bar).error().in("header");
  auto c2 = group.parse(*c2_bytes);
  if (!c2) return std::move(c2).error().in("header");
  auto f = Scalar::parse(group.scalars(), *f_bytes);
  if (!f) return std::move(f).error().in("header");
  return Stanza{.key_id = *key_id,
                .ciphertext = {.c1 = *std::move(c1),
                               .u_bar = *std::move(u_bar),
                               .c2 = *std::move(c2),
                               .e = *e,
                               .f = *std::move(f)}};
}

// FK of SPEC.md §9.2.
Secret derive_file_key(const Element& m, const Core& core, const Digest& core_hash) {
  Writer info;
  info.literal("CPV1-FK").bytes(core_hash);
  return hkdf_sha256(core.file_nonce, m.encode_secret().reveal(), info.view(), 32);
}

Bytes encode_stanza(std::uint16_t type, ByteView content) {
  Writer out;
  out.u16(type).lp(content);
  return std::move(out).take();
}

}  // namespace

Bytes encode_stanza(const Stanza& stanza) {
  const Ciphertext& ct = stanza.ciphertext;
  Writer content;
  content.bytes(stanza.key_id).bytes(ct.c1.encode()).bytes(ct.u_bar.encode()).bytes(ct.c2.encode());
  content.bytes(ct.e).bytes(ct.f.bytes().reveal());
  return encode_stanza(kStanzaTdh2, content.view());
}

Bytes encode_stanza(const UnknownStanza& stanza) {
  return encode_stanza(stanza.type, stanza.content);
}

Digest header_mac(const Secret& file_key, ByteView core_and_stanzas) {
  return hmac_sha256(hkdf_sha256({}, file_key.reveal(), bytes_of("CPV1-HDR"), 32).reveal(), core_and_stanzas);
}

Result<Core> Core::parse(ByteView encoded) {
  Reader reader(encoded);
  auto core = read_core(reader);
  if (core && !reader.empty()) return malformed_header("bytes after the core");
  return core;
}

Bytes Core::encode() const {
  Writer out;
  out.literal(kHeaderMagic).u16(static_cast<std::uint16_t>(suite)).u16(0).bytes(file_nonce).lp4(policy);
  return std::move(out).take();
}

Digest stanza_label(const Digest& core_hash, std::uint16_t type, const KeyId& key_id) {
  Writer type_bytes;
  type_bytes.u16(type);
  return tagged_hash("CPV1-LABEL", {core_hash, type_bytes.view(), key_id});
}

Result<Header> Header::parse(ByteView bytes) {
  Reader reader(bytes);
  auto core = read_core(reader);
  if (!core) return std::move(core).error();
  Header header;
  header.core_ = *std::move(core);
  header.core_size_ = bytes.size() - reader.size();
  header.core_hash_ = sha256(bytes.first(header.core_size_));

  const auto count = reader.u8();
  if (!count) return malformed_header("cut in its stanzas");
  if (*count == 0 || *count > kMaxStanzas) return malformed_header("not 1 to 16 stanzas");
  for (std::uint8_t i = 0; i < *count; ++i) {
    const auto type = reader.u16();
    const auto content = reader.lp();
    if (!type || !content) return malformed_header("cut in its stanzas");
    if (*type == kStanzaReserved) return malformed_header("a stanza of type 0");
    if (*type != kStanzaTdh2) {
      header.unknown_stanzas_.push_back({.type = *type, .content = {content->begin(), content->end()}});
      continue;
    }
    auto stanza = read_tdh2(*content, group_of(header.core_.suite));
    if (!stanza) return std::move(stanza).error();
    if (header.stanza_for(stanza->key_id)) return malformed_header("two stanzas for one key");
    header.stanzas_.push_back(*std::move(stanza));
  }
  if (header.stanzas_.empty())
    return malformed_header("only stanzas of unknown types: it needs a newer program");
  if (!reader.bytes(kMacSize)) return malformed_header("cut in its MAC");
  const ByteView encoded = bytes.first(bytes.size() - reader.size());
  if (encoded.size() > kMaxHeaderSize) return malformed_header("over 131072 bytes");
  header.encoded_.assign(encoded.begin(), encoded.end());
  return header;
}

Result<std::pair<Header, Secret>> Header::create(const PublicKey& key, const KeyId& key_id, Bytes policy,
                                                 Random& random) {
  if (policy.size() > kMaxPolicySize) return malformed_header("policy is over 65535 bytes");
  const WipesDeadStack message;
  Header header;
  header.core_.suite = key.group().suite();
  random.fill(header.core_.file_nonce);
  header.core_.policy = std::move(policy);
  Writer out;
  out.bytes(header.core_.encode());
  header.core_size_ = out.view().size();
  header.core_hash_ = sha256(out.view());

  const Element m = key.group().random_message(random);
  const Digest label = stanza_label(header.core_hash_, kStanzaTdh2, key_id);
  header.stanzas_.push_back({.key_id = key_id, .ciphertext = encrypt(key, m, label, random)});
  out.u8(1).bytes(encode_stanza(header.stanzas_.front()));

  Secret file_key = derive_file_key(m, header.core_, header.core_hash_);
  out.bytes(header_mac(file_key, out.view()));
  header.encoded_ = std::move(out).take();
  return std::pair(std::move(header), std::move(file_key));
}

Result<const Stanza*> Header::stanza_for(const KeyId& key_id) const {
  const auto it =
      std::find_if(stanzas_.begin(), stanzas_.end(), [&](const Stanza& s) { return s.key_id == key_id; });
  if (it == stanzas_.end()) return Error(Code::not_found, "encrypted for another key");
  return &*it;
}

Result<Secret> Header::unlock(const Element& m) const {
  const WipesDeadStack message;
  // The identity has no encoding, and no honest file yields it.
  if (m.group().suite() != core_.suite || m.is_identity()) return Error(Code::altered, "header is altered");
  Secret file_key = derive_file_key(m, core_, core_hash_);
  const ByteView covered = ByteView(encoded_).first(encoded_.size() - kMacSize);
  if (!equal_in_constant_time(header_mac(file_key, covered), ByteView(encoded_).last(kMacSize))) {
    return Error(Code::altered, "header is altered");
  }
  return file_key;
}

}  // namespace coprotect::protocol
