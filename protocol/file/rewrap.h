#pragma once

#include "protocol/file/header.h"

namespace coprotect::protocol {

// The header with its m wrapped for another key (SPEC.md §9.6). The new stanza comes first. The
// others stay if `keep_others`, including those of unknown types. The body does not change. If the header
// already has a stanza for the key, that stanza is kept as it is. Code::altered if m does not unlock the
// header. Code::conflict if the key's suite is not the file's, or there are already 16 stanzas.
Result<Header> rewrap(const Header& header, const Element& m, const PublicKey& key, const KeyId& key_id,
                      bool keep_others, Random& random);

}  // namespace coprotect::protocol
