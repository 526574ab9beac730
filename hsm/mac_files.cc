#include "hsm/mac_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "hsm/durable_file.h"

namespace coprotect::hsm {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMacSize = std::tuple_size_v<Digest>;

Error system_error(std::string_view what, const fs::path& path) {
  return {Code::unavailable, std::string(what) + " \"" + path.string() + "\": " + std::strerror(errno)};
}

Status make_folder(const fs::path& folder, const std::optional<FileOwner>& owner) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return system_error("cannot make", folder);
  if (auto own = check_no_link(folder); !own) return own;
  if (owner && lchown(folder.c_str(), owner->user, owner->group) != 0)
    return system_error("cannot give to the agent's user", folder);
  return Done{};
}

}  // namespace

Result<Bytes> MacFiles::read(const fs::path& file) const {
  auto content = read_file(file, kMaxContent + kMacSize);
  if (!content) return content;
  const Error altered(Code::altered,
                      "\"" + file.string() + "\" was altered, or is another agent's: its MAC does not hold");
  if (content->size() < kMacSize) return altered;
  const ByteView body = ByteView(*content).first(content->size() - kMacSize);
  if (!equal_in_constant_time(keyring_.mac(body), ByteView(*content).last(kMacSize))) return altered;
  content->resize(body.size());
  return content;
}

Status MacFiles::write(const fs::path& file, Bytes content) const {
  const fs::path folder = file.parent_path();
  const auto owner = other_owner(folder.parent_path());
  if (!owner) return owner.error();
  if (auto made = make_folder(folder, *owner); !made) return made;
  const Digest mac = keyring_.mac(content);
  content.insert(content.end(), mac.begin(), mac.end());
  return replace_file(file, content, *owner);
}

}  // namespace coprotect::hsm
