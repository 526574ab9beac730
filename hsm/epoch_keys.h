#pragma once

#include <compare>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "hsm/token.h"
#include "protocol/file/header.h"

namespace coprotect::hsm {

// An epoch of a key.
struct EpochId {
  protocol::KeyId key_id;
  std::uint32_t epoch;
  auto operator<=>(const EpochId&) const = default;
};

// Whether anything was ever sealed with a table, as far as its owner knows.
enum class Sealed { never, before };

// A key for each epoch of each key that the agent has a share of. An epoch's key can be destroyed for good:
// then nothing sealed with it can be opened, not even from an old copy of the disk together with the token.
//
// The keys are in one file, encrypted under a key that a *root* in the token releases: an NV index of a TPM,
// or a secret key object of a PKCS#11 token. To destroy keys, the file is rewritten without them under a new
// root, and the token destroys the old root. That makes every older copy of the file useless. However many
// keys are destroyed, the cost is one switch; however many exist, the token holds one small object. The file
// is small and written as a whole: after a crash it is either the old or the new one.
//
//   "CPEK" | version u8 = 2 | root 16 | count u8, for each: doomed root 16 | sealed key lp | nonce 12 |
//   AES-256-GCM(key, nonce, aad = all before, count u32, for each mark, ascending: key_id 32 ‖ epoch u32,
//   for each epoch, ascending: key_id 32 ‖ epoch u32 ‖ key 32)
//
// A *mark* is the newest destroyed epoch of a key. An epoch that is not in the table, and not above its key's
// mark, is destroyed: the switch that set the mark left no table with it, and making a key of such an epoch
// again is a switch too. Nothing is known of any other epoch that is not in the table. Its key may be in a
// copy that the current root opens, so it is never reported as destroyed.
//
// `doomed` lists roots that must not exist: before a switch, the one about to be made; after it, the previous
// one. The next use destroys them. So two roots exist only during a switch, and a crash at any point ends it
// one way or the other.
//
// There is no file before the first key is made. If the file is missing later, it was lost or removed:
// without it nothing is read, made or destroyed.
//
// Safe from several threads. Only one process at a time may write (the agent, which holds the store's lock).
class EpochKeys {
 public:
  // `token` must have a name (Token::named). Reads nothing before the first use.
  EpochKeys(Token token, std::filesystem::path file);

  // Reads the file, and finishes what a crash interrupted. Code::altered if the file is not this token's, is
  // older than a destruction, or is missing although something was sealed before.
  Status recover(Sealed sealed);
  // Checks that the token opens the file: recover() without finishing anything. Changes nothing in the file
  // or the token: if the file is a copy, the original may live under the roots that it calls doomed.
  Status check(Sealed sealed);
  // All epochs in the table.
  Result<std::vector<EpochId>> epochs();
  // The key of an epoch; makes and stores one if there is none.
  Result<Secret> get_or_make(const EpochId& epoch);
  // Code::altered if there is none: then nothing sealed with it can be opened here.
  Result<Secret> get(const EpochId& epoch);
  // Destroys the keys of these epochs. On return, no copy of the file, old or new, releases them.
  // Code::altered if an epoch is not in the table and not known to be destroyed; destroys the others all the
  // same. After any other error some may still exist: call it again.
  Status destroy(std::span<const EpochId> epochs);

 private:
  struct Root {
    RootId id;
    Bytes sealed;
    Secret key;
  };
  Status load();
  Status read_table(ByteView content);
  bool was_destroyed(const EpochId& epoch) const;
  // Applies `change` to the table and writes it under a new root. The current root becomes doomed.
  Status switch_root(const std::function<void()>& change);
  Status write(const Root& root, const std::vector<RootId>& doomed);
  Status make_first_root();
  Result<Root> make_root();
  Status destroy_doomed();

  const Token token_;
  const std::filesystem::path file_;
  std::mutex mutex_;
  bool loaded_ = false;
  bool must_exist_ = false;   // the file
  std::optional<Root> root_;  // none while there is no file
  std::vector<RootId> doomed_;
  std::map<protocol::KeyId, std::uint32_t> marks_;
  std::map<EpochId, Secret> keys_;
};

// The file in an agent's state (agent_folder.h).
inline constexpr const char* kEpochKeysFile = "epochs";

}  // namespace coprotect::hsm
