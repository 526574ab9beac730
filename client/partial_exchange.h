#pragma once

#include <span>
#include <vector>

#include "protocol/dkg/bundle.h"
#include "protocol/message/reply.h"
#include "protocol/message/request.h"
#include "protocol/threshold/partial.h"

namespace coprotect::client {

// A file's header and the stanza in it that is for the key in use. Both outlive the exchange.
struct LockedFile {
  const protocol::Header* header;
  const protocol::Stanza* stanza;
};
// Roughly what a file adds to a request, for filling batches.
std::size_t request_share(const LockedFile& file);
// A batch holds at most protocol::kMaxItems files and about this much.
constexpr std::size_t kMaxBatchSize = std::size_t{4} << 20;

// Who asks, for what.
struct Asker {
  const protocol::Certificate* certificate;
  const protocol::SigningKey* key;
  protocol::Action action;
  std::string reason;
};

// What a party gives for one file: the partials of its indices, or why not.
using PartialAnswer = Result<std::vector<protocol::IndexedPartial>>;

// One signed request to one party for its part of some files, or of some derivations, and the reading of its
// reply. No I/O.
class PartialExchange {
 public:
  // `party` is a position in the bundle's parties; the request is for it alone. At most kMaxItems files.
  static PartialExchange make(const protocol::Bundle& bundle, std::size_t party,
                              std::span<const LockedFile> files, const Asker& asker, std::int64_t now_ms,
                              Random& random);
  // The same for values to derive with.
  static PartialExchange make(const protocol::Bundle& bundle, std::size_t party,
                              std::span<const protocol::Element> peers, const Asker& asker,
                              std::int64_t now_ms, Random& random);

  const Bytes& request() const { return request_; }
  // Where the request goes at the agent.
  std::string path() const;
  // How many answers it asks for.
  std::size_t size() const { return bases_.size(); }

  // An answer for each item. Code::bad_proof, naming the party, if the reply is not this party's to this
  // request, or if a partial in it was not computed with the party's share: then none of it is used.
  Result<std::vector<PartialAnswer>> read(ByteView reply) const;

 private:
  PartialExchange(const protocol::Bundle& bundle, std::size_t party, protocol::RequestBody body,
                  std::vector<protocol::Element> bases, const Asker& asker, std::int64_t now_ms,
                  Random& random);
  const protocol::Party& party() const { return bundle_.parameters()->parties[party_]; }
  Error wrong(std::string_view what) const;
  Status check(const protocol::PartialReply& reply) const;

  protocol::Bundle bundle_;
  std::size_t party_;
  std::vector<protocol::Element> bases_;  // what the party's share is to be used on
  protocol::HpkePrivateKey reply_key_;
  protocol::Operation operation_;
  Bytes request_;
  Digest request_hash_{};
};

// As many partials as are needed from the answers of all parties that were asked. If they do not make a
// quorum, the error that says most about why: the file is altered, a party refuses, a party is not reachable.
Result<std::vector<protocol::IndexedPartial>> choose_quorum(const protocol::Bundle& bundle,
                                                            std::span<const PartialAnswer* const> answers);
// m of a file from the answers.
Result<protocol::Element> combine_answers(const protocol::Bundle& bundle, const protocol::Stanza& stanza,
                                          std::span<const PartialAnswer* const> answers);

}  // namespace coprotect::client
