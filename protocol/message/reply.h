#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/message/request.h"
#include "protocol/threshold/partial.h"

namespace coprotect::protocol {

enum class ItemStatus : std::uint8_t {
  done = 0,
  denied_by_file = 1,
  denied_by_server = 2,
  bad_proof = 3,
  malformed = 4
};
std::string_view item_status_name(ItemStatus status);

// One index's answer to a partial-decrypt or derive request (SPEC.md §7.2).
struct PartialReply {
  struct Item {
    ItemStatus status;
    std::optional<Element> value;  // present if and only if done
    std::string detail;            // why not, otherwise
  };
  std::uint8_t index;
  std::uint32_t epoch;
  std::vector<Item> items;
  std::optional<DleqProof> proof;  // over the done items, in order; present if there is one

  Secret encode() const;  // partials are secret until sealed
};
Secret encode_partial_replies(const std::vector<PartialReply>& replies);
Result<std::vector<PartialReply>> parse_partial_replies(ByteView encoded, const Group& group);

// A reply as it travels: the answering party and what it sealed to the request's reply key.
struct SealedReply {
  PublicKeyBytes party;
  Bytes sealed;

  Bytes encode() const;
  static Result<SealedReply> parse(ByteView encoded);
  static Result<SealedReply> seal(const PublicKeyBytes& party, ByteView plaintext,
                                  const HpkePublicKey& reply_key, const Digest& request_hash, Random& random);
  // Code::altered if it was not sealed by someone for exactly this request in this party's name.
  Result<Secret> open(const HpkePrivateKey& reply_key, const Digest& request_hash) const;
};

}  // namespace coprotect::protocol
