#pragma once

#include "protocol/file/header.h"

namespace coprotect::protocol {

// header.cc and rewrap.cc write headers with these functions (SPEC.md §9.1).

constexpr std::uint8_t kMaxStanzas = 16;

// type ‖ lp(…)
Bytes encode_stanza(const Stanza& stanza);
Bytes encode_stanza(const UnknownStanza& stanza);
// HMAC over CORE ‖ STANZAS.
Digest header_mac(const Secret& file_key, ByteView core_and_stanzas);

}  // namespace coprotect::protocol
