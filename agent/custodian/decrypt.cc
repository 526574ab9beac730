#include "agent/custodian/decrypt.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::PartialReply;

// The reply for one index, from its partials in the order of the items that are done.
PartialReply reply_of(std::uint8_t index, std::uint32_t epoch, std::span<const Decision> decisions,
                      std::optional<protocol::PartialSet> partials) {
  PartialReply reply{.index = index, .epoch = epoch, .items = {}, .proof = std::nullopt};
  std::size_t next = 0;
  for (const auto& decision : decisions) {
    std::optional<protocol::Element> value;
    if (decision.done()) value = std::move(partials->values[next++]);
    reply.items.push_back({decision.status, std::move(value), decision.detail});
  }
  if (partials) reply.proof = std::move(partials->proof);
  return reply;
}

}  // namespace

Result<Secret> decrypt(hsm::ShareKeeper& keeper, const Key& key, std::span<const Decision> decisions,
                       const Digest& request_hash, Random& random, const Interest& caller) {
  std::vector<protocol::Element> bases;
  for (const auto& decision : decisions)
    if (decision.done()) bases.push_back(*decision.base);

  std::vector<PartialReply> replies;
  for (const auto& [index, record] : key.shares) {
    std::optional<protocol::PartialSet> partials;
    if (!bases.empty()) {
      const Digest context =
          protocol::partial_context(key.parameters()->suite, key.key_id(), key.epoch(), index, request_hash);
      auto computed = keeper.compute(key.share_id(index), record, key.sharing.public_share(index), bases,
                                     context, random, caller);
      if (!computed) return std::move(computed).error();
      invariant(computed->values.size() == bases.size());
      partials = *std::move(computed);
    }
    replies.push_back(reply_of(index, key.epoch(), decisions, std::move(partials)));
  }
  return protocol::encode_partial_replies(replies);
}

}  // namespace coprotect::agent::custodian
