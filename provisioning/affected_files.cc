#include "provisioning/affected_files.h"

#include <algorithm>

#include "client/files/encrypted_file.h"
#include "client/files/walk.h"

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

class Search {
 public:
  Search(const KeyId& key_id, const KeyList& list) : key_id_(key_id), list_(list) {}

  void look_at(const fs::path& file) {
    auto input = client::Input::open(file);
    const auto encrypted = input ? client::is_encrypted(*input) : Result<bool>(std::move(input).error());
    if (!encrypted) return found_.unknown.push_back(file);
    // The name says encrypted but the content does not, so the file may be damaged.
    if (!*encrypted && file.extension() == ".cop") return found_.unknown.push_back(file);
    if (!*encrypted) return static_cast<void>(++found_.others);
    const auto header = client::read_header(*input);
    if (!header) return found_.unknown.push_back(file);
    ++found_.looked_at;
    if (goes_with(*header, key_id_, list_)) found_.unreadable.push_back(file);
  }

  // Reports unreadable entries and continues after them.
  void look_into(const fs::path& folder) {
    const auto walk = client::Walk::through(folder);
    for (const auto& [path, why] : walk.failed) found_.unknown.push_back(path);
    for (const auto& entry : walk.entries)
      if (entry.type == fs::file_type::regular)
        look_at(entry.path);
      else
        found_.not_looked_at.push_back(entry.path);
  }

  AffectedFiles found() && {
    for (auto* const list : {&found_.unreadable, &found_.unknown, &found_.not_looked_at})
      std::ranges::sort(*list);
    return std::move(found_);
  }

 private:
  const KeyId& key_id_;
  const KeyList& list_;
  AffectedFiles found_;
};

}  // namespace

Result<AffectedFiles> affected_files(const std::vector<fs::path>& folders, const KeyId& key_id,
                                     const KeyList& list) {
  Search search(key_id, list);
  for (const fs::path& named : folders) {
    std::error_code error;
    if (fs::is_regular_file(named, error)) {
      search.look_at(named);
      continue;
    }
    if (!error) fs::directory_iterator(named, error);
    if (error) return Error(Code::not_found, "\"" + named.string() + "\" cannot be read: " + error.message());
    search.look_into(named);
  }
  return std::move(search).found();
}

}  // namespace coprotect::provisioning
