#pragma once

#include "client/keyclient/helper_link.h"
#include "client/keyclient/message.h"
#include "client/keyclient/per_process.h"

namespace coprotect::keyclient {

// The joint keys of this user's configuration, for programs that know nothing of agents. coprotect-keyd, a
// process of ours, does all the work. This library runs inside foreign programs. So it starts no thread,
// opens no network connection, initialises no other library and raises no signal, and every wait has a
// deadline. Safe from any number of threads and across fork(). One object per program is enough, with static
// storage and never destroyed. Errors carry the codes of message.h.
class KeyClient {
 public:
  constexpr KeyClient() = default;

  // All keys of the configuration. Empty if there is no configuration.
  Result<std::vector<Key>> list();
  Result<Certificate> certificate(const KeyId& key_id);
  // Opens the client's own key for this program's helper, until logout() or until that helper ends.
  Status login(ByteView passphrase);
  Status logout();
  // `patience` is the key's.
  Result<WipedBytes> derive(const Derivation& derivation, std::chrono::milliseconds patience);

  // A fresh secret for holders of access to an envelope key. Asks no agent.
  Result<Encapsulation> encapsulate(const Key& key);
  Result<WipedBytes> decapsulate(const Key& key, ByteView encapsulation);

  // Lets the helper end. The next call starts another one.
  void close() { link_.get().close(); }
  // The same, at the end of all use. No other thread may be in a call.
  void end() { link_.reset(); }
  // After a fork, releases what belongs to the parent. Every call does this by itself.
  void notice_fork() { link_.get(); }

 private:
  Result<WipedBytes> ask(const Request& request, std::chrono::milliseconds patience);

  PerProcess<HelperLink> link_;
};

}  // namespace coprotect::keyclient
