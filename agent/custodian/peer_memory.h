#pragma once

#include <map>

#include "agent/custodian/store.h"
#include "hsm/keyring.h"
#include "protocol/message/peer_state.h"

namespace coprotect::agent::custodian {

// The newest question of each peer, which is the peer's own signed statement of how far it has come. Each row
// carries a MAC. Guarded by the store: use only within a transaction.
class PeerMemory {
 public:
  explicit PeerMemory(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads every row. Code::altered names one whose MAC does not verify.
  Status load(Transaction& transaction);
  // As the peer signed it; empty if it never asked.
  Bytes of(const protocol::PublicKeyBytes& peer) const;
  // Replaces the peer's previous question.
  Status put(Transaction& transaction, const protocol::PublicKeyBytes& peer, Bytes question);

 private:
  Digest mac(ByteView peer, ByteView question) const;

  const hsm::Keyring& keyring_;
  std::map<Bytes, Bytes> questions_;  // by the peer's identity key
};

}  // namespace coprotect::agent::custodian
