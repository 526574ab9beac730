#include "hsm/sealed_keeper.h"

#include <algorithm>
#include <utility>

#include "hsm/share_cache.h"
#include "hsm/share_record.h"

namespace coprotect::hsm {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{256} << 10;

class SealedKeeper final : public ShareKeeper {
 public:
  SealedKeeper(Token token, std::filesystem::path epochs, std::chrono::milliseconds hold)
      : token_(std::move(token)), epochs_(token_, std::move(epochs)), shares_(hold) {}

  protocol::KeeperMode mode() const override { return protocol::KeeperMode::sealed; }

  Result<Bytes> seal(const ShareId& id, const protocol::Scalar& share) override {
    const auto epoch_key = epochs_.get_or_make(epoch_of(id));
    if (!epoch_key) return epoch_key.error();
    const auto key = token_.seal_new_key();
    if (!key) return key.error();
    return wrap_share(id, *key, *epoch_key, share);
  }

  Result<protocol::PartialSet> compute(const ShareId& id, ByteView record,
                                       const protocol::Element& public_share,
                                       std::span<const protocol::Element> bases, const Digest& context,
                                       Random& random, const Interest& interest) override {
    const auto of_suite = [&](const protocol::Element& element) {
      return element.group().suite() == id.suite;
    };
    if (bases.empty() || !of_suite(public_share) || !std::all_of(bases.begin(), bases.end(), of_suite))
      return Error(Code::malformed, "nothing to compute in the share's suite");
    const auto share = shares_.get(id, record, [&] { return unwrap(id, record, public_share); });
    if (!share) return share.error();
    return protocol::compute_partials(**share, public_share, bases, context, random, interest);
  }

  Result<protocol::Deal> deal(const ShareId& id, ByteView record, const protocol::Element& public_share,
                              const protocol::HandoverPlan& plan, Random& random) override {
    if (public_share.group().suite() != id.suite || plan.group().suite() != id.suite)
      return Error(Code::malformed, "nothing to deal in the share's suite");
    const auto share = shares_.get(id, record, [&] { return unwrap(id, record, public_share); });
    if (!share) return share.error();
    return protocol::make_deal(plan, id.index, **share, random);
  }

  Result<protocol::ShareProof> prove(const ShareId& id, ByteView record,
                                     const protocol::Element& public_share, const Digest& offer_hash,
                                     Random& random) override {
    if (public_share.group().suite() != id.suite)
      return Error(Code::malformed, "nothing to prove in the share's suite");
    const auto share = shares_.get(id, record, [&] { return unwrap(id, record, public_share); });
    if (!share) return share.error();
    const protocol::HeldShare held{id.key_id, id.epoch, id.index, public_share};
    return protocol::prove_share(offer_hash, held, **share, random);
  }

  Status check(const ShareId& id, ByteView record, const protocol::Element& public_share) override {
    const auto share = unwrap(id, record, public_share);
    if (!share) return share.error();
    return Done{};
  }

  Result<Bytes> seal_bytes(const EpochId& epoch, std::string_view what, ByteView bytes) override {
    if (bytes.size() > kMaxBytes) return Error(Code::malformed, "more than 256 KiB to seal");
    const auto epoch_key = epochs_.get_or_make(epoch);
    if (!epoch_key) return epoch_key.error();
    const auto key = token_.seal_new_key();
    if (!key) return key.error();
    return EpochRecord::wrap(about_bytes(epoch, what), *key, *epoch_key, bytes);
  }

  Result<Secret> open_bytes(const EpochId& epoch, std::string_view what, ByteView encoded) override {
    const auto record = EpochRecord::parse(encoded);
    if (!record) return record.error();
    const auto epoch_key = epochs_.get(epoch);
    if (!epoch_key) return epoch_key.error();
    const auto key = token_.unseal(record->sealed_key);
    if (!key) return key.error();
    return record->unwrap(about_bytes(epoch, what), *key, *epoch_key);
  }

  Status destroy_epochs(std::span<const EpochId> epochs) override {
    auto destroyed = epochs_.destroy(epochs);
    for (const EpochId& epoch : epochs) shares_.erase(epoch);
    return destroyed;
  }

  Status recover(Sealed sealed) override { return epochs_.recover(sealed); }
  Result<std::vector<EpochId>> epochs() override { return epochs_.epochs(); }

  void sweep() override { shares_.sweep(); }

  Status probe() override { return token_.probe(); }
  std::optional<TokenHang> hang() const override { return token_.hang(); }
  std::string token_notice() const override { return token_.notice(); }

 private:
  Result<protocol::Scalar> unwrap(const ShareId& id, ByteView encoded,
                                  const protocol::Element& public_share) {
    const auto record = EpochRecord::parse(encoded);
    if (!record) return record.error();
    const auto epoch_key = epochs_.get(epoch_of(id));
    if (!epoch_key) return epoch_key.error();
    const auto key = token_.unseal(record->sealed_key);
    if (!key) return key.error();
    auto share = unwrap_share(*record, id, *key, *epoch_key);
    if (!share) return share;
    if (!(public_share.group().generator_power_secret(*share) == public_share))
      return Error(Code::altered, "the record's share is not the one of this public share");
    return share;
  }

  static EpochId epoch_of(const ShareId& id) { return {id.key_id, id.epoch}; }

  Token token_;
  EpochKeys epochs_;
  ShareCache shares_;
};

}  // namespace

std::unique_ptr<ShareKeeper> make_sealed_keeper(Token token, std::filesystem::path epochs,
                                                std::chrono::milliseconds hold) {
  return std::make_unique<SealedKeeper>(std::move(token), std::move(epochs), hold);
}

}  // namespace coprotect::hsm
