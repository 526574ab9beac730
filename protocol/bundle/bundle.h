#pragma once

#include "protocol/dkg/public_transcript.h"
#include "protocol/handover/transcript.h"

namespace coprotect::protocol {

// The public, signed description of a key (SPEC.md §6): the key generation, then one version for each later
// handover. A Bundle exists only if every commitment, proof and signature in it was checked, and h, h_j and
// key_id were computed from it. The holder still has to compare key_id with a pinned one and to reject older
// versions.
class Bundle {
 public:
  static Result<Bundle> parse(ByteView encoded);
  // Makes a bundle from a transcript and every party's encoded round-4 message.
  static Result<Bundle> assemble(const PublicTranscript& transcript, std::span<const Bytes> confirms);
  // This bundle with a further version.
  Result<Bundle> followed_by(ByteView version) const;
  // This bundle with its oldest `count` versions only. It has at least that many.
  Bundle with_versions(std::size_t count) const;

  // The number of handovers.
  std::size_t versions() const { return versions_.size(); }
  const KeyId& key_id() const { return sharing_->key_id; }
  const std::string& tenant() const { return parameters()->tenant; }
  const Group& group() const { return sharing_->group(); }
  const PublicKey& public_key() const { return *public_key_; }
  // Describes the newest epoch, as do epoch, parameters and public shares.
  const Sharing& sharing() const { return *sharing_; }
  std::uint32_t epoch() const { return sharing_->epoch; }
  const Parameters& parameters() const { return sharing_->parameters; }
  const Element& public_share(std::uint8_t index) const { return sharing_->public_share(index); }

  const Bytes& encoded() const { return encoded_; }
  // The newest version, or the key generation's bundle if there is none.
  const Bytes& newest() const { return versions_.empty() ? generation_ : versions_.back(); }
  // The hash that the next version must name: HandoverTranscript::hash() of the newest version, or key_id if
  // there is none. It does not cover signatures, because a party may sign the same content again.
  const Digest& newest_hash() const { return hashes_.back(); }
  // Whether this is `older`, possibly with further versions or with other signatures of the same content.
  bool extends(const Bundle& older) const;
  // Whether this ceremony made one of its versions.
  bool includes(const Sid& handover) const;
  // The epoch before the newest version. Null if there is no version.
  const Sharing* sharing_before() const { return before_.get(); }

 private:
  // Parses the key generation's bundle alone.
  static Result<Bundle> parse_generation(ByteView encoded);
  Bundle(Sharing sharing, PublicKey public_key, Bytes generation);
  // Advances to this version's epoch. The caller sets encoded_.
  Status take(ByteView version);

  std::shared_ptr<const Sharing> sharing_;  // shared: a bundle is copied freely
  std::shared_ptr<const Sharing> before_;
  std::shared_ptr<const PublicKey> public_key_;
  Bytes generation_;
  std::vector<Bytes> versions_;
  std::vector<Digest> hashes_;  // key_id, then each version's
  std::vector<Sid> handovers_;  // that made the versions
  Bytes encoded_;
};

}  // namespace coprotect::protocol
