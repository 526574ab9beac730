#pragma once

#include "client/enrolment.h"
#include "client/quorum.h"
#include "protocol/recovery/kit.h"

namespace coprotect::client {

// The recovery blob of the bundle's key, as agents keep it; only an administrator gets it. Code::altered,
// naming an agent, if none keeps the one that the newest version names, or, before there is a version, if
// they keep different ones.
Result<protocol::RecoveryBlob> fetch_blob(const protocol::Bundle& bundle, const Credentials& credentials,
                                          std::chrono::milliseconds deadline);

// The recovery share of a key, in every epoch that one recovery code is good for: agents keep its parts,
// which the blob's key opens. Copies are one.
class RecoveryShare {
 public:
  RecoveryShare(protocol::RecoveryBlob blob, protocol::RecoveryBlob::Opened opened)
      : state_(std::make_shared<const State>(State{std::move(blob), std::move(opened.hpke)})) {}

  // The share of the bundle's epoch, with what the first agent that has it gives. Code::denied unless the
  // credentials are a recovery administrator's. Code::wrong_code if the bundle has another recovery key: a
  // new recovery code was made since. Code::altered, naming the agent, if what it keeps does not make the
  // share.
  Result<LocalShare> in(const protocol::Bundle& bundle, const Credentials& credentials,
                        std::chrono::milliseconds deadline) const;

  // The same with what this agent gives, and no other. `sent`, if there is one, gets the hash of the request.
  Result<LocalShare> from_agent(const protocol::Party& party, const protocol::Bundle& bundle,
                                const Credentials& credentials, std::chrono::milliseconds deadline,
                                Digest* sent = nullptr) const;

  // What signs, with the recovery key, that it was opened.
  const protocol::HpkePrivateKey& recovery_key() const { return state_->hpke; }

 private:
  struct State {
    protocol::RecoveryBlob blob;
    protocol::HpkePrivateKey hpke;
  };
  LocalShare local(std::uint8_t index, protocol::Scalar share, const protocol::Bundle& bundle,
                   std::chrono::milliseconds deadline) const;

  std::shared_ptr<const State> state_;
};

// What the recovery code gives back: the share, and the key under which the kit's was sealed.
struct OpenedBlob {
  RecoveryShare share;
  protocol::RecoveryKey recovery_key;
};
// `typed` is the code as it was typed. Code::wrong_code if it is not the one, if it is mistyped before any
// long computation; Code::altered if the blob is not of this bundle's key.
Result<OpenedBlob> open_blob(const protocol::RecoveryBlob& blob, const protocol::Bundle& bundle,
                             const Secret& typed);

// A kit's recovery administrator.
Result<Credentials> open_kit_key(const protocol::RecoveryKit& kit, const protocol::RecoveryKey& recovery_key);

}  // namespace coprotect::client
