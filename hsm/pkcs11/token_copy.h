#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace coprotect::hsm::pkcs11 {

// Verified copies of SoftHSM2's tokens. SoftHSM2 rewrites a token's file in place at each login. If it is
// killed or the disk fills up at that moment, the file is left empty and everything that the token sealed
// would be lost (docs/decisions/0028). A copy is one file in the token's own folder, where SoftHSM2 only
// looks for *.object. The damaged files that it replaced are kept beside it. A token's folder is left alone
// if it does not belong to this process's user, and for root also if other users may write to it or replace
// it.

// A token whose files are damaged and could not be restored.
struct NotPutBack {
  std::string serial;
  Error why;  // Code::unavailable
};

// Call before SoftHSM2 reads its tokens. Restores damaged tokens from their copies, and keeps the damaged
// files. Changes nothing for files that are intact or gone, a token without a copy, or one that another
// program has locked.
std::vector<NotPutBack> put_back_damaged_soft_tokens();

// Prevents other processes from restoring the files of the token with this serial number while the lock
// exists. Returns an empty lock if the token is in none of this user's folders, or the file system has no
// locks.
Fd lock_soft_token(std::string_view serial);

// Why no token, or none with the right key, was found: Code::altered, with how to restore an agent, if the
// files of one are damaged and could not be restored; otherwise `why`.
Error explain_soft_tokens(Error why);

// Call after the token with this serial number has, or may have, changed. Copies it, unless the copy already
// has the same objects or the token is not in files that SoftHSM2's configuration names. The copy keeps
// the objects that the token no longer has. `opens` checks that
// SoftHSM2 opens the copy, under the configuration then set. With `erases`, the copy
// has only what the token has, and this leaves nothing on the disk of an
// older copy, damaged files or what a killed helper wrote, as far as the file system overwrites. The caller
// holds the locks of the PIN file and the token. Code::unavailable also if the files are damaged now: the
// copy stays.
Status keep_soft_token(std::string_view serial, bool erases, const std::function<Status()>& opens);

// States that this token's files were damaged and restored, as long as the damaged ones are kept, or that the
// token lacks objects of its copy. Empty otherwise.
std::string notice_of_soft_token(std::string_view serial);

}  // namespace coprotect::hsm::pkcs11
