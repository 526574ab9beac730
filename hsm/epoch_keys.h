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

// A key for each epoch of each key that the agent has a share of, and the means to destroy it for good: what
// was sealed with it opens nowhere, not even from an old copy of the disk beside the living token.
//
// The keys are in one file, encrypted under a key that a *root* in the token gives out: an NV index of a TPM,
// a secret key object of a PKCS#11 token. To destroy some of the keys, the file is written without them under
// a new root, and the old root is destroyed in the token. That makes every older copy of the file useless, so
// the cost is one switch however many keys are destroyed, and the token holds one small object however many
// there are. The file is small, and is written as a whole: a crash leaves the file before or the file after.
//
//   "CPEK" | version u8 = 2 | root 16 | count u8, for each: doomed root 16 | sealed key lp | nonce 12 |
//   AES-256-GCM(key, nonce, aad = all before, count u32, for each mark, ascending: key_id 32 ‖ epoch u32,
//   for each epoch, ascending: key_id 32 ‖ epoch u32 ‖ key 32)
//
// A *mark* is the newest epoch of a key that was destroyed. An epoch up to its key's mark that the table does
// not have is destroyed: the switch that set the mark left no table with it, and to make a key of such an
// epoch again is a switch too. Of any other epoch that is not in the table nothing is known. Its key may be
// in a copy that the present root opens, so nobody is told that it was destroyed.
//
// `doomed` are roots that must not exist: the one that is about to be made, while the file is under the
// present one, and the one before, once it is not. The next use destroys them. So two roots exist during a
// switch only, and a crash anywhere ends it in one of both ways.
//
// There is no file before the first key is made. One that is missing later was lost or taken away: nothing
// is read, made or destroyed without it.
//
// Safe from several threads. One process at a time may write (the agent, which holds the store's lock).
class EpochKeys {
 public:
  // `token` must have a name (Token::named). Nothing is read before the first use.
  EpochKeys(Token token, std::filesystem::path file);

  // Reads the file, and finishes what a crash interrupted. Code::altered if the file is not this token's, is
  // from before something was destroyed, or is missing although something was sealed before.
  Status recover(Sealed sealed);
  // Whether the token opens the file; recover() without what it finishes. Nothing changes, in the file and in
  // the token: of a copy, the roots that must not exist may be those that the original lives under.
  Status check(Sealed sealed);
  // All that are in the table.
  Result<std::vector<EpochId>> epochs();
  // The key of an epoch, made and on the disk if there was none.
  Result<Secret> get_or_make(const EpochId& epoch);
  // Code::altered if there is none: what was sealed with it opens nowhere here.
  Result<Secret> get(const EpochId& epoch);
  // Destroys the keys of these epochs. When it returns, no copy of the file, older or not, gives them out.
  // Code::altered if an epoch is not in the table and the table does not say that it was destroyed; the
  // others are destroyed all the same. After another error some may be there still; call it again.
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
  // Writes the table with what `change` makes of it, under a new root; the present one is doomed.
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
  std::optional<Root> root_;  // none as long as there is no file
  std::vector<RootId> doomed_;
  std::map<protocol::KeyId, std::uint32_t> marks_;
  std::map<EpochId, Secret> keys_;
};

// The file in an agent's state (agent_folder.h).
inline constexpr const char* kEpochKeysFile = "epochs";

}  // namespace coprotect::hsm
