// Headers, cores and encapsulations: accepted input encodes to the same bytes.

#include <algorithm>

#include "protocol/file/encapsulation.h"

using namespace coprotect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto core = protocol::Core::parse(input)) invariant(core->encode() == Bytes(data, data + size));
  const protocol::KeyId key_id{};
  if (const auto header = protocol::parse_encapsulation(input, key_id)) {
    invariant(header->core().policy.empty() && header->stanzas().front().key_id == key_id);
    invariant(header->encoded().size() < size);
  }
  const auto header = protocol::Header::parse(input);
  if (!header) return 0;
  invariant(header->encoded().size() <= protocol::kMaxHeaderSize);
  invariant(std::ranges::equal(header->encoded(), input.first(header->encoded().size())));
  invariant(std::ranges::equal(header->core_bytes(), header->core().encode()));
  for (const protocol::Stanza& stanza : header->stanzas()) {
    invariant(static_cast<bool>(header->stanza_for(stanza.key_id)));
    invariant(!header->unlock(stanza.ciphertext.c2));
  }
  return 0;
}
