#pragma once

#include <filesystem>

#include "hsm/keyring.h"

namespace coprotect::hsm {

// Files by which the agent and its operator exchange messages, in folders of the agent's own folder. Each
// ends with a MAC of the keyring, so that nobody else can write one. A name that begins with a dot belongs to
// a file still being written.
class MacFiles {
 public:
  // `keyring` outlives it.
  explicit MacFiles(const Keyring& keyring) : keyring_(keyring) {}

  static constexpr std::size_t kMaxContent = (std::size_t{256} << 10) - std::tuple_size_v<Digest>;

  // The content, at most kMaxContent bytes. Code::not_found if there is no such file, Code::altered if its
  // MAC does not verify, Code::unavailable if it cannot be read.
  Result<Bytes> read(const std::filesystem::path& file) const;
  // Writes or replaces a file, and creates its folder if needed. Both get the owner of the parent folder, so
  // that the agent can read what an operator writes as root. Code::altered if the folder is a link.
  Status write(const std::filesystem::path& file, Bytes content) const;

 private:
  const Keyring& keyring_;
};

}  // namespace coprotect::hsm
