#pragma once

#include "protocol/file/header.h"

namespace coprotect::protocol {

// The header with its m wrapped for another key (SPEC.md §9.6), whose stanza comes first; the others stay if
// `keep_others`, those of unknown types too. The body under it is the same. A stanza for the key that is
// there already is kept as it is. Code::altered if m does not unlock the header; Code::conflict if the key is
// of another suite than the file, or there are 16 stanzas.
Result<Header> rewrap(const Header& header, const Element& m, const PublicKey& key, const KeyId& key_id,
                      bool keep_others, Random& random);

}  // namespace coprotect::protocol
