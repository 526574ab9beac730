#pragma once

#include "protocol/dkg/sharing.h"

namespace coprotect::protocol {

// How far past the last epoch that an agent decided it goes in one step (SPEC.md §13.3): numbers are finite.
constexpr std::uint32_t kMaxEpochSkip = 256;

// What a handover is to do (SPEC.md §13.1): the holders of some shares of a key, enough of them to use it,
// pass it on to the parties of the next epoch. Valid in itself if it exists; follows() says whether it fits
// to the present epoch.
class HandoverPlan {
 public:
  struct Fields {
    KeyId key_id;
    std::uint32_t epoch;                // the new one
    Digest previous;                    // Bundle::newest_hash() of what it follows
    std::vector<std::uint8_t> dealers;  // indices of the present epoch, ascending
    Digest blob_hash;                   // SHA-256 of the recovery blob; zeros without a recovery party
    Parameters parameters;              // of the new epoch
  };
  // Code::malformed unless the dealers are 1 to 16 ascending indices, and a recovery blob is named exactly if
  // there is a recovery party.
  static Result<HandoverPlan> make(Fields fields);
  static Result<HandoverPlan> parse(ByteView encoded);

  // Code::conflict if it is not of a later epoch than `now`, after the same version; Code::denied if it would
  // change what no handover may: the key, its suite, purpose, tenant or client CA; or the recovery blob
  // or the recovery administrator without the recovery key, or the recovery key alone. What epoch 0 has for a
  // blob is not public: there each agent compares the one that it keeps.
  Status follows(const Sharing& now, const Digest& newest_hash) const;

  // The position of the party that holds the recovery share in the new epoch, if any does. It
  // receives nothing in a handover: its parts wait for whoever opens the recovery blob.
  std::optional<std::size_t> recovery_party() const { return fields_.parameters.recovery_party(); }
  // Whether the recovery share comes under another recovery key, and so under a new code.
  bool renews_code(const Sharing& now) const {
    return recovery_party() && fields_.parameters->recovery_key != now.parameters->recovery_key;
  }
  // Whether it leaves the recovery blob as it is, and `blob` is another. Somebody who could change it without
  // a new code would make code and kit open nothing.
  bool changes_blob(const Sharing& now, const Digest& blob) const {
    return recovery_party() && !renews_code(now) && fields_.blob_hash != blob;
  }
  // The same parameters but for nonces and the agents' ceremony keys, dealt by agents alone: the same parties
  // hold the same indices of another polynomial, and nobody new gets a share.
  bool refreshes(const Sharing& now) const;

  const Fields& fields() const { return fields_; }
  const Fields* operator->() const { return &fields_; }
  const Group& group() const { return fields_.parameters.group(); }
  const Bytes& encoded() const { return encoded_; }
  const Sid& sid() const { return sid_; }

 private:
  Status check_recovery_administrator(const Sharing& now) const;

  HandoverPlan(Fields fields, Bytes encoded, const Sid& sid)
      : fields_(std::move(fields)), encoded_(std::move(encoded)), sid_(sid) {}
  Fields fields_;
  Bytes encoded_;
  Sid sid_;
};

}  // namespace coprotect::protocol
