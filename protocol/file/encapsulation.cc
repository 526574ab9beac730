#include "protocol/file/encapsulation.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kEncapsulationMagic = "CPKM";
constexpr std::uint8_t kVersion = 1;

Error malformed_encapsulation() {
  return {Code::malformed, "not an encapsulation"};
}

}  // namespace

Encapsulated encapsulate(const PublicKey& key, const KeyId& key_id, Random& random) {
  const auto made = Header::create(key, key_id, {}, random);
  invariant(static_cast<bool>(made));  // an empty policy is not too long
  const auto& [header, file_key] = *made;
  Writer out;
  out.literal(kEncapsulationMagic).u8(kVersion).bytes(header.encoded());
  return {.encapsulation = std::move(out).take(), .secret = encapsulated_secret(file_key)};
}

Result<Header> parse_encapsulation(ByteView encoded, const KeyId& key_id) {
  Reader reader(encoded);
  if (!reader.literal(kEncapsulationMagic) || reader.u8() != kVersion) return malformed_encapsulation();
  const ByteView rest = reader.rest();
  auto header = Header::parse(rest);
  if (!header) return header;
  if (header->encoded().size() != rest.size() || !header->core().policy.empty() ||
      header->stanzas().size() != 1 || !header->unknown_stanzas().empty())
    return malformed_encapsulation();
  if (auto stanza = header->stanza_for(key_id); !stanza) return std::move(stanza).error();
  return header;
}

Secret encapsulated_secret(const Secret& file_key) {
  return hkdf_sha256({}, file_key.reveal(), bytes_of("CPV1-KEM"), kEncapsulatedSecretSize);
}

}  // namespace coprotect::protocol
