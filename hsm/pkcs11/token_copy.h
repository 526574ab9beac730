#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace coprotect::hsm::pkcs11 {

// Verified copies of SoftHSM2's tokens. SoftHSM2 rewrites a token's file in place at each login, so that a
// kill or a full disk at that moment leaves it empty, and all that the token sealed would be lost
// (docs/decisions/0028). A copy is one file in the token's own folder, where SoftHSM2 looks for *.object
// alone. Beside it are the damaged files that it replaced. A token's folder is left alone if it is not a
// folder of this process's user, and for root also if others may write to it or put another in its place.

// A token whose files are damaged and could not be put back.
struct NotPutBack {
  std::string serial;
  Error why;  // Code::unavailable
};

// Before SoftHSM2 reads its tokens: puts the copies of damaged ones back, and keeps what was damaged. Nothing
// happens to files that are whole or gone, to a token without a copy, or to one that another program has
// locked.
std::vector<NotPutBack> put_back_damaged_soft_tokens();

// Keeps others from putting back the files of the token with this serial number, as long as the lock lives.
// An empty one if it is in none of this user's folders, or the file system has no locks.
Fd lock_soft_token(std::string_view serial);

// Why no token, or none with the right key, was found: Code::altered if the files of one are damaged and
// could not be put back, with how an agent is restored; otherwise `why`.
Error explain_soft_tokens(Error why);

// After the token with this serial number has changed, or may have: copies it, unless the copy has these very
// objects, or the token is not in files that SoftHSM2's configuration names. The copy goes on to have what it
// had and the token has no longer. `opens` says whether SoftHSM2
// opens the copy, as its configuration then is. With `erases`, the copy has what the token has and no more,
// and nothing is left on the disk of an older copy, of damaged files, or of what a killed helper wrote, as far as the file system overwrites. The caller has
// the PIN file's lock and the token's. Code::unavailable also if the files are damaged now: the copy stays.
Status keep_soft_token(std::string_view serial, bool erases, const std::function<Status()>& opens);

// That this token's files were damaged and put back, as long as the damaged ones are kept; or that it lacks
// objects of its copy; empty otherwise.
std::string notice_of_soft_token(std::string_view serial);

}  // namespace coprotect::hsm::pkcs11
