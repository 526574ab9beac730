#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hsm/epoch_keys.h"
#include "protocol/handover/deal.h"
#include "protocol/handover/offer.h"
#include "protocol/threshold/partial.h"

namespace coprotect::hsm {

// The identity of a share. It is bound to the share's record, so that editing the store cannot turn one share
// into another.
struct ShareId {
  std::string tenant;
  protocol::KeyId key_id;
  protocol::Purpose purpose;
  protocol::SuiteId suite;
  std::uint8_t index;
  std::uint32_t epoch;
};

// Holds shares and computes with them; never releases one. Safe from several threads.
class ShareKeeper {
 public:
  virtual ~ShareKeeper() = default;

  virtual protocol::KeeperMode mode() const = 0;
  // The record to store for a share. Only this keeper's token can use it, and only until its epoch is
  // destroyed.
  virtual Result<Bytes> seal(const ShareId& id, const protocol::Scalar& share) = 0;
  // Partial decryptions of verified capsules' c1's with their proof (SPEC.md §3.2). Code::altered if the
  // record does not belong to this id; Code::unavailable if the token does not answer, or if `interest` ends.
  virtual Result<protocol::PartialSet> compute(const ShareId& id, ByteView record,
                                               const protocol::Element& public_share,
                                               std::span<const protocol::Element> bases,
                                               const Digest& context, Random& random,
                                               const Interest& interest) = 0;
  // Deals the share to the parties of a plan that follows its epoch, with its consent (SPEC.md §13.2). Errors
  // as for compute().
  virtual Result<protocol::Deal> deal(const ShareId& id, ByteView record,
                                      const protocol::Element& public_share,
                                      const protocol::HandoverPlan& plan, Random& random) = 0;
  // Proves in a handover offer that this keeper's agent holds the share (SPEC.md §13.6). Errors as for
  // compute().
  virtual Result<protocol::ShareProof> prove(const ShareId& id, ByteView record,
                                             const protocol::Element& public_share, const Digest& offer_hash,
                                             Random& random) = 0;
  // Checks that the token opens the record for this share. Computes and caches nothing. Errors as for
  // compute().
  virtual Status check(const ShareId& id, ByteView record, const protocol::Element& public_share) = 0;
  // Seals other bytes that belong to an epoch and end with it, such as recovery parts: at most 256 KiB.
  // `what` states what they are, and is authenticated.
  virtual Result<Bytes> seal_bytes(const EpochId& epoch, std::string_view what, ByteView bytes) = 0;
  // Code::altered if the record does not belong to this epoch and `what`, or the epoch was destroyed.
  virtual Result<Secret> open_bytes(const EpochId& epoch, std::string_view what, ByteView record) = 0;
  // Destroys these epochs: no copy of their records opens again, wherever it is. After an error some may
  // still open: call it again. Code::altered if it is not certain that an epoch's records can no longer be
  // opened; destroys the other epochs all the same.
  virtual Status destroy_epochs(std::span<const EpochId> epochs) = 0;
  // Finishes what a crash interrupted. Call once, before anything else. Code::altered if the caller has
  // records that were sealed before, and the means to open them is missing.
  virtual Status recover(Sealed sealed) = 0;
  // The epochs that something was sealed for and that were not destroyed. Call after recover().
  virtual Result<std::vector<EpochId>> epochs() = 0;
  // Drops unwrapped shares that were idle for longer than `hold`. Call about once a second.
  virtual void sweep() = 0;
  virtual Status probe() = 0;
  // None if the token is not known to hang. While it hangs, every operation that needs it fails immediately.
  virtual std::optional<TokenHang> hang() const = 0;
  // What the token's operator must know about it although it answers (Token::notice).
  virtual std::string token_notice() const = 0;
};

}  // namespace coprotect::hsm
