#pragma once

#include <map>

#include "agent/custodian/store.h"
#include "hsm/keyring.h"
#include "protocol/message/peer_state.h"

namespace coprotect::agent::custodian {

// The newest question of each peer: its own word of how far it had come. Rows under a MAC. Guarded by the
// store: only to be used within a transaction.
class PeerMemory {
 public:
  explicit PeerMemory(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads every row. Code::altered names one whose MAC does not hold.
  Status load(Transaction& transaction);
  // As the peer signed it; empty if it never asked.
  Bytes of(const protocol::PublicKeyBytes& peer) const;
  // Keeps the question in the place of the one before.
  Status put(Transaction& transaction, const protocol::PublicKeyBytes& peer, Bytes question);

 private:
  Digest mac(ByteView peer, ByteView question) const;

  const hsm::Keyring& keyring_;
  std::map<Bytes, Bytes> questions_;  // by the peer's identity key
};

}  // namespace coprotect::agent::custodian
