#pragma once

#include "client/enrolment.h"
#include "client/quorum.h"
#include "protocol/recovery/kit.h"

namespace coprotect::client {

// The recovery blob of the bundle's key, which agents keep and give only to an administrator. Code::altered,
// naming an agent, if none keeps the one that the newest version names. Before the first version: if they
// keep different ones.
Result<protocol::RecoveryBlob> fetch_blob(const protocol::Bundle& bundle, const Credentials& credentials,
                                          std::chrono::milliseconds deadline);

// A key's recovery share in every epoch for which one recovery code is valid. Agents keep its parts, and the
// blob's key opens them. Copies share one state.
class RecoveryShare {
 public:
  RecoveryShare(protocol::RecoveryBlob blob, protocol::RecoveryBlob::Opened opened)
      : state_(std::make_shared<const State>(State{std::move(blob), std::move(opened.hpke)})) {}

  // The share of the bundle's epoch, from the first agent that has its parts. Code::denied unless the
  // credentials are a recovery administrator's. Code::wrong_code if the bundle has another recovery key,
  // because a new recovery code was made. Code::altered, naming the agent, if its parts do not make the
  // share.
  Result<LocalShare> in(const protocol::Bundle& bundle, const Credentials& credentials,
                        std::chrono::milliseconds deadline) const;

  // The same, from this agent only. `sent`, if not null, receives the request's hash.
  Result<LocalShare> from_agent(const protocol::Party& party, const protocol::Bundle& bundle,
                                const Credentials& credentials, std::chrono::milliseconds deadline,
                                Digest* sent = nullptr) const;

  // Signs the statement that the blob was opened.
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

// What the recovery code yields: the share, and the key under which the kit's key was sealed.
struct OpenedBlob {
  RecoveryShare share;
  protocol::RecoveryKey recovery_key;
};
// `typed` is the code as typed. Code::wrong_code if it is wrong; a mistyped code is rejected before any long
// computation. Code::altered if the blob does not belong to this bundle's key.
Result<OpenedBlob> open_blob(const protocol::RecoveryBlob& blob, const protocol::Bundle& bundle,
                             const Secret& typed);

// The kit's recovery administrator.
Result<Credentials> open_kit_key(const protocol::RecoveryKit& kit, const protocol::RecoveryKey& recovery_key);

}  // namespace coprotect::client
