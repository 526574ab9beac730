#pragma once

#include "protocol/dkg/sharing.h"

namespace coprotect::protocol {

// How many epochs a plan may skip after the last one that an agent decided (SPEC.md §13.3). The limit is
// needed because epoch numbers are finite.
constexpr std::uint32_t kMaxEpochSkip = 256;

// A planned handover (SPEC.md §13.1): the holders of enough shares to use the key pass it to the parties of
// the next epoch. An object exists only if it is valid in itself. follows() tells whether it fits the present
// epoch.
class HandoverPlan {
 public:
  struct Fields {
    KeyId key_id;
    std::uint32_t epoch;                // the new one
    Digest previous;                    // Bundle::newest_hash() that it follows
    std::vector<std::uint8_t> dealers;  // indices of the present epoch, ascending
    Digest blob_hash;                   // SHA-256 of the recovery blob; zeros if there is no recovery party
    Parameters parameters;              // of the new epoch
  };
  // Code::malformed unless the dealers are 1 to 16 ascending indices. A recovery blob must be named if and
  // only if there is a recovery party.
  static Result<HandoverPlan> make(Fields fields);
  static Result<HandoverPlan> parse(ByteView encoded);

  // Code::conflict unless its epoch is later than that of `now` and it follows the same version. Code::denied
  // if it changes what no handover may change: the key, its suite, purpose, tenant or client CA; the recovery
  // blob or the recovery administrator without the recovery key; or the recovery key alone. The blob of epoch
  // 0 is not public. In that epoch each agent compares the plan with the blob that it keeps.
  Status follows(const Sharing& now, const Digest& newest_hash) const;

  // The position of the party that holds the recovery share in the new epoch, if there is one. It receives
  // nothing in a handover: agents keep its parts until the recovery blob is opened.
  std::optional<std::size_t> recovery_party() const { return fields_.parameters.recovery_party(); }
  // Whether the recovery share is sealed to another recovery key, and so under a new code.
  bool renews_code(const Sharing& now) const {
    return recovery_party() && fields_.parameters->recovery_key != now.parameters->recovery_key;
  }
  // Whether it keeps the recovery key but names another blob than `blob`. An attacker who changed the blob
  // without a new code would make code and kit useless.
  bool changes_blob(const Sharing& now, const Digest& blob) const {
    return recovery_party() && !renews_code(now) && fields_.blob_hash != blob;
  }
  // Whether the parameters differ only in nonces and in the agents' ceremony keys, and only agents deal. Then
  // the same parties hold the same indices of another polynomial, and no new party gets a share.
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
