#pragma once

#include "client/keyclient/helper_link.h"
#include "client/keyclient/message.h"
#include "client/keyclient/per_process.h"

namespace coprotect::keyclient {

// The joint keys of this user's configuration, as programs use them that know nothing of agents: everything
// is asked of coprotect-keyd, a process of our own. This library is made to run inside other people's
// programs: it starts no thread, opens no network connection, initialises nothing of another library, raises
// no signal, and every wait has a deadline. Safe from any number of threads and across fork(). One, of static
// storage, is enough for a program, and never destroyed. Errors carry the codes of message.h.
class KeyClient {
 public:
  constexpr KeyClient() = default;

  // All keys of the configuration; none if there is no configuration.
  Result<std::vector<Key>> list();
  Result<Certificate> certificate(const KeyId& key_id);
  // Opens the client's own key for this program's helper, until logout() or until that helper ends.
  Status login(ByteView passphrase);
  Status logout();
  // `patience`: the key's.
  Result<WipedBytes> derive(const Derivation& derivation, std::chrono::milliseconds patience);

  // A fresh secret for whoever may use an envelope key. No agent is asked.
  Result<Encapsulation> encapsulate(const Key& key);
  Result<WipedBytes> decapsulate(const Key& key, ByteView encapsulation);

  // Lets the helper end; the next call starts another one.
  void close() { link_.get().close(); }
  // The same, at the end of all use: nobody else may be inside.
  void end() { link_.reset(); }
  // After a fork, lets go of what is the parent's. Every call does this by itself.
  void notice_fork() { link_.get(); }

 private:
  Result<WipedBytes> ask(const Request& request, std::chrono::milliseconds patience);

  PerProcess<HelperLink> link_;
};

}  // namespace coprotect::keyclient
