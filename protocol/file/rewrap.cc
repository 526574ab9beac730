#include "protocol/file/rewrap.h"

#include "protocol/base/dead_stack.h"
#include "protocol/base/writer.h"
#include "protocol/file/header_parts.h"

namespace coprotect::protocol {

Result<Header> rewrap(const Header& header, const Element& m, const PublicKey& key, const KeyId& key_id,
                      bool keep_others, Random& random) {
  const WipesDeadStack message;
  const auto file_key = header.unlock(m);
  if (!file_key) return file_key.error();
  if (key.group().suite() != header.core().suite)
    return Error(Code::conflict, "the file is of suite " + std::string(suite_name(header.core().suite)) +
                                     ", the key of " + std::string(suite_name(key.group().suite())) +
                                     ": such a file is decrypted and encrypted anew");
  std::vector<Bytes> stanzas;
  const auto present = header.stanza_for(key_id);
  const Digest label = stanza_label(header.core_hash(), kStanzaTdh2, key_id);
  stanzas.push_back(present
                        ? encode_stanza(**present)
                        : encode_stanza({.key_id = key_id, .ciphertext = encrypt(key, m, label, random)}));
  for (const Stanza& stanza : header.stanzas())
    if (keep_others && stanza.key_id != key_id) stanzas.push_back(encode_stanza(stanza));
  for (const UnknownStanza& stanza : header.unknown_stanzas())
    if (keep_others) stanzas.push_back(encode_stanza(stanza));
  if (stanzas.size() > kMaxStanzas) return Error(Code::conflict, "the file has 16 keys already");

  Writer out;
  out.bytes(header.core_bytes()).u8(static_cast<std::uint8_t>(stanzas.size()));
  for (const Bytes& stanza : stanzas) out.bytes(stanza);
  out.bytes(header_mac(*file_key, out.view()));
  return Header::parse(out.view());
}

}  // namespace coprotect::protocol
