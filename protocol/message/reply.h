#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/message/refusal.h"
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
    std::string detail;            // otherwise, the reason
  };
  std::uint8_t index;
  std::uint32_t epoch;
  std::vector<Item> items;
  std::optional<DleqProof> proof;  // over the done items, in order; present if there is one

  Secret encode() const;  // partials are secret until sealed
};
Secret encode_partial_replies(const std::vector<PartialReply>& replies);
Result<std::vector<PartialReply>> parse_partial_replies(ByteView encoded, const Group& group);

// The content of a sealed reply: the operation's result, or a refusal.
using ReplyContent = std::variant<Secret, Refusal>;

// A reply in transit: the answering party, and what it signed and sealed to the request's reply key (SPEC.md
// §7.2). Only the client can tell a refusal from an answer.
struct SealedReply {
  PublicKeyBytes party;
  Bytes sealed;

  Bytes encode() const;
  static Result<SealedReply> parse(ByteView encoded);
  // Code::malformed if the reply key is not a point on the curve.
  static Result<SealedReply> answer(const SigningKey& identity, ByteView answer,
                                    const HpkePublicKey& reply_key, const Digest& request_hash,
                                    Random& random);
  static Result<SealedReply> refuse(const SigningKey& identity, const Refusal& refusal,
                                    const HpkePublicKey& reply_key, const Digest& request_hash,
                                    Random& random);
  // Code::bad_proof unless `identity` signed it for exactly this request. Code::malformed if the signed
  // content is malformed.
  Result<ReplyContent> open(const VerifyKey& identity, const HpkePrivateKey& reply_key,
                            const Digest& request_hash) const;
};

}  // namespace coprotect::protocol
