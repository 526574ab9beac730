#pragma once

#include <filesystem>

#include "hsm/keyring.h"

namespace coprotect::hsm {

// Files in folders of an agent's own folder, where the agent and its operator leave each other word. Each
// ends with a MAC of the keyring, so that nobody else can write one. A name that begins with a dot is a
// file that is being written.
class MacFiles {
 public:
  // `keyring` outlives it.
  explicit MacFiles(const Keyring& keyring) : keyring_(keyring) {}

  static constexpr std::size_t kMaxContent = (std::size_t{256} << 10) - std::tuple_size_v<Digest>;

  // The content, at most kMaxContent bytes. Code::not_found if there is no such file, Code::altered if its
  // MAC does not hold, Code::unavailable if it cannot be read.
  Result<Bytes> read(const std::filesystem::path& file) const;
  // Puts a file in place of the one that is there, and makes its folder if there is none. Both belong to the
  // owner of the folder above: an operator who works as root leaves what the agent can read. Code::altered if
  // the folder is a link.
  Status write(const std::filesystem::path& file, Bytes content) const;

 private:
  const Keyring& keyring_;
};

}  // namespace coprotect::hsm
