#pragma once

#include <utility>

#include "hsm/share_keeper.h"

namespace coprotect::hsm {

// Forwards every call to another keeper. A derived class overrides only the calls that it extends.
class ForwardingKeeper : public ShareKeeper {
 public:
  explicit ForwardingKeeper(std::unique_ptr<ShareKeeper> keeper) : keeper_(std::move(keeper)) {}

  protocol::KeeperMode mode() const override { return keeper_->mode(); }
  Result<Bytes> seal(const ShareId& id, const protocol::Scalar& share) override {
    return keeper_->seal(id, share);
  }
  Result<protocol::PartialSet> compute(const ShareId& id, ByteView record,
                                       const protocol::Element& public_share,
                                       std::span<const protocol::Element> bases, const Digest& context,
                                       Random& random, const Interest& interest) override {
    return keeper_->compute(id, record, public_share, bases, context, random, interest);
  }
  Result<protocol::Deal> deal(const ShareId& id, ByteView record, const protocol::Element& public_share,
                              const protocol::HandoverPlan& plan, Random& random) override {
    return keeper_->deal(id, record, public_share, plan, random);
  }
  Result<protocol::ShareProof> prove(const ShareId& id, ByteView record,
                                     const protocol::Element& public_share, const Digest& offer_hash,
                                     Random& random) override {
    return keeper_->prove(id, record, public_share, offer_hash, random);
  }
  Status check(const ShareId& id, ByteView record, const protocol::Element& public_share) override {
    return keeper_->check(id, record, public_share);
  }
  Result<Bytes> seal_bytes(const EpochId& epoch, std::string_view what, ByteView bytes) override {
    return keeper_->seal_bytes(epoch, what, bytes);
  }
  Result<Secret> open_bytes(const EpochId& epoch, std::string_view what, ByteView record) override {
    return keeper_->open_bytes(epoch, what, record);
  }
  Status destroy_epochs(std::span<const EpochId> epochs) override { return keeper_->destroy_epochs(epochs); }
  Status recover(Sealed sealed) override { return keeper_->recover(sealed); }
  Result<std::vector<EpochId>> epochs() override { return keeper_->epochs(); }
  void sweep() override { keeper_->sweep(); }
  Status probe() override { return keeper_->probe(); }
  std::optional<TokenHang> hang() const override { return keeper_->hang(); }
  std::string token_notice() const override { return keeper_->token_notice(); }

 private:
  const std::unique_ptr<ShareKeeper> keeper_;
};

}  // namespace coprotect::hsm
