#include "provisioning/affected_files.h"

#include <algorithm>

#include "client/files/encrypted_file.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::KeyId;
using protocol::KeyList;

bool goes_with(const protocol::Header& header, const KeyId& key_id, const KeyList& list) {
  const auto lost = [&](const protocol::Stanza& stanza) {
    const KeyList::Entry* const entry = list.find(stanza.key_id);
    return stanza.key_id == key_id || (entry != nullptr && entry->use == protocol::KeyUse::destroyed);
  };
  return header.stanza_for(key_id) && std::ranges::all_of(header.stanzas(), lost);
}

void look_at(const fs::path& file, const KeyId& key_id, const KeyList& list, AffectedFiles& found) {
  auto input = client::Input::open(file);
  const auto header =
      input ? client::read_header(*input) : Result<protocol::Header>(std::move(input).error());
  if (!header) return found.unknown.push_back(file);
  ++found.looked_at;
  if (goes_with(*header, key_id, list)) found.unreadable.push_back(file);
}

}  // namespace

Result<AffectedFiles> affected_files(const std::vector<fs::path>& folders, const KeyId& key_id,
                                     const KeyList& list) {
  AffectedFiles found;
  for (const fs::path& folder : folders) {
    std::error_code error;
    fs::recursive_directory_iterator it(folder, error);
    for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      std::error_code ignored;
      if (it->is_regular_file(ignored) && !it->is_symlink(ignored) && it->path().extension() == ".cop")
        look_at(it->path(), key_id, list, found);
    }
    if (error)
      return Error(Code::not_found, "\"" + folder.string() + "\" cannot be read: " + error.message());
  }
  std::ranges::sort(found.unreadable);
  std::ranges::sort(found.unknown);
  return found;
}

}  // namespace coprotect::provisioning
