#pragma once

#include "protocol/dkg/public_transcript.h"
#include "protocol/handover/transcript.h"

namespace coprotect::protocol {

// The public, signed description of a key (SPEC.md §6): the key generation, and then one version for every
// handover since. If it exists, every commitment, proof and signature in it was checked and h, h_j and key_id
// were computed from it; what remains to the holder is to compare key_id with a pinned one, and not to go
// back.
class Bundle {
 public:
  static Result<Bundle> parse(ByteView encoded);
  // From a transcript and every party's encoded round-4 message.
  static Result<Bundle> assemble(const PublicTranscript& transcript, std::span<const Bytes> confirms);
  // This one and a version after it.
  Result<Bundle> followed_by(ByteView version) const;
  // This one without its newest versions: with this many, at most as many as it has.
  Bundle with_versions(std::size_t count) const;

  // How many handovers there were.
  std::size_t versions() const { return versions_.size(); }
  const KeyId& key_id() const { return sharing_->key_id; }
  const std::string& tenant() const { return parameters()->tenant; }
  const Group& group() const { return sharing_->group(); }
  const PublicKey& public_key() const { return *public_key_; }
  // Of the newest epoch, like epoch, parameters and public shares.
  const Sharing& sharing() const { return *sharing_; }
  std::uint32_t epoch() const { return sharing_->epoch; }
  const Parameters& parameters() const { return sharing_->parameters; }
  const Element& public_share(std::uint8_t index) const { return sharing_->public_share(index); }

  const Bytes& encoded() const { return encoded_; }
  // The newest version, or the key generation's bundle.
  const Bytes& newest() const { return versions_.empty() ? generation_ : versions_.back(); }
  // What the next version has to name: the newest one's HandoverTranscript::hash(), or key_id if there is
  // none. Signatures do not count, since a party may make others of the same.
  const Digest& newest_hash() const { return hashes_.back(); }
  // Whether this is that bundle, perhaps with further versions or other signatures of the same.
  bool extends(const Bundle& older) const;
  // Whether this ceremony made one of its versions.
  bool includes(const Sid& handover) const;
  // Of the epoch before the newest version; null if there is no version.
  const Sharing* sharing_before() const { return before_.get(); }

 private:
  // The key generation's bundle alone.
  static Result<Bundle> parse_generation(ByteView encoded);
  Bundle(Sharing sharing, PublicKey public_key, Bytes generation);
  // Goes on to the epoch of this version; encoded_ is left to the caller.
  Status take(ByteView version);

  std::shared_ptr<const Sharing> sharing_;  // shared: a bundle is copied freely
  std::shared_ptr<const Sharing> before_;
  std::shared_ptr<const PublicKey> public_key_;
  Bytes generation_;
  std::vector<Bytes> versions_;
  std::vector<Digest> hashes_;  // key_id, then each version's
  std::vector<Sid> handovers_;  // that made them
  Bytes encoded_;
};

}  // namespace coprotect::protocol
