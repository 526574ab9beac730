#include "swtpm-tests/file_secrets.h"

#include <openssl/aes.h>

#include "protocol/base/test_must.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/crypto/p256.h"
#include "protocol/file/body.h"
#include "protocol/file/header.h"
#include "protocol/threshold/partial.h"

// OpenSSL 3.0 deprecates AES_set_encrypt_key without a substitute that shows the round keys.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace coprotect::harness {
namespace {

// Both coordinates of a point; a MODP element is a number.
Secret coordinates(const protocol::Element& element) {
  const Secret encoded = element.encode_secret();
  if (element.group().suite() != protocol::SuiteId::p256) return encoded.clone();
  const auto point = protocol::p256::parse_point(encoded.reveal());
  invariant(point.has_value());
  return Secret::copy_of(ByteView(*point).subspan(1));
}

// protocol/SPEC.md §9.3, from the salt that stands in front of the body.
Secret body_key(const Secret& file_key, const Digest& core_hash, ByteView salt) {
  Writer info;
  info.literal("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM").u8(0).bytes(salt).literal("CPV1");
  info.bytes(core_hash);
  return protocol::hkdf_expand_sha512(file_key.reveal(), info.view(), 32);
}

Secret round_keys(const Secret& key) {
  AES_KEY schedule;
  invariant(AES_set_encrypt_key(key.reveal().data(), 256, &schedule) == 0 && schedule.rounds == 14);
  return Secret::copy_of(
      {reinterpret_cast<const std::uint8_t*>(static_cast<const void*>(schedule.rd_key)), 15 * 16});
}

}  // namespace

std::map<std::string, Secret> secrets_of_file(ByteView front, std::span<const AgentShare> shares) {
  const auto header = must(protocol::Header::parse(front));
  const protocol::Stanza& stanza = header.stanzas().front();
  std::map<std::string, Secret> secrets;
  std::vector<protocol::IndexedPartial> partials;
  for (const AgentShare& share : shares) {
    partials.push_back(
        {.index = share.index,
         .value = stanza.ciphertext.c1.group().power_secret(stanza.ciphertext.c1, share.share)});
    secrets.emplace("partial " + std::to_string(share.index), coordinates(partials.back().value));
  }
  const auto m = must(protocol::combine(stanza.ciphertext.c2, partials));
  Secret file_key = must(header.unlock(m));
  Secret key = body_key(file_key, header.core_hash(), front.subspan(header.encoded().size(), 24));
  secrets.emplace("m", coordinates(m));
  secrets.emplace("round keys", round_keys(key));
  secrets.emplace("file key", std::move(file_key));
  secrets.emplace("body key", std::move(key));
  return secrets;
}

}  // namespace coprotect::harness
