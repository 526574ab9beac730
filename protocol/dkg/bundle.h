#pragma once

#include "protocol/dkg/public_transcript.h"

namespace coprotect::protocol {

// The public, signed description of a key (SPEC.md §6). If it exists, every commitment, proof and signature
// in it was checked and h, h_j and key_id were computed from it; what remains to the holder is to compare
// key_id with a pinned one.
class Bundle {
 public:
  static Result<Bundle> parse(ByteView encoded);
  // From a transcript and every party's encoded round-4 message.
  static Result<Bundle> assemble(const PublicTranscript& transcript, std::span<const Bytes> confirms);

  const KeyId& key_id() const { return transcript_->key_id(); }
  const std::string& tenant() const { return parameters()->tenant; }
  const Parameters& parameters() const { return transcript_->parameters(); }
  const PublicTranscript& transcript() const { return *transcript_; }
  std::uint32_t epoch() const { return epoch_; }
  const Group& group() const { return parameters().group(); }
  const PublicKey& public_key() const { return *public_key_; }
  const Element& public_share(std::uint8_t index) const { return transcript_->public_share(index); }
  const Bytes& encoded() const { return encoded_; }

 private:
  Bundle(std::shared_ptr<const PublicTranscript> transcript, std::shared_ptr<const PublicKey> public_key,
         Bytes encoded)
      : transcript_(std::move(transcript)),
        public_key_(std::move(public_key)),
        encoded_(std::move(encoded)) {}
  std::shared_ptr<const PublicTranscript> transcript_;  // shared: a bundle is copied freely
  std::shared_ptr<const PublicKey> public_key_;
  std::uint32_t epoch_ = 0;
  Bytes encoded_;
};

}  // namespace coprotect::protocol
