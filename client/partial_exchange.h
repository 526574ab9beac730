#pragma once

#include <optional>
#include <span>
#include <vector>

#include "protocol/bundle/bundle.h"
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

// Whom a request is for, as positions in the bundle's parties: one party, or all that a chain reaches.
struct Audience {
  Audience(std::size_t party) : parties{party} {}
  Audience(std::vector<std::size_t> all) : parties(std::move(all)) {}
  std::vector<std::size_t> parties;  // not empty
};

// One signed request for parts of some files, or of some derivations, and the reading of the replies. No I/O.
class PartialExchange {
 public:
  // The request is for these parties alone. At most kMaxItems files.
  static PartialExchange make(const protocol::Bundle& bundle, Audience audience,
                              std::span<const LockedFile> files, const Asker& asker, std::int64_t now_ms,
                              Random& random);
  // The same for values to derive with.
  static PartialExchange make(const protocol::Bundle& bundle, Audience audience,
                              std::span<const protocol::Element> peers, const Asker& asker,
                              std::int64_t now_ms, Random& random);

  const Bytes& request() const { return request_; }
  // Where the request goes at the agent that answers for itself alone.
  std::string path() const;
  // How many answers it asks for.
  std::size_t size() const { return bases_.size(); }

  // A party's answer for each item; the party's own refusal, for each, if it refused the request.
  // Code::bad_proof, naming the party, if the reply is not its own to this request, or if a partial in it was
  // not computed with its share: then none of it is used. `through` is who passed the reply on, if anybody
  // did: then it can be the one who is wrong, and is named too.
  Result<std::vector<PartialAnswer>> read(std::size_t party, ByteView reply,
                                          std::optional<std::size_t> through = std::nullopt) const;
  // The same for a request to one party.
  Result<std::vector<PartialAnswer>> read(ByteView reply) const {
    return read(audience_.parties.front(), reply);
  }

 private:
  // What the TDH2 proof of a file is checked on. Anybody can check it, so an agent is not believed that it
  // does not hold.
  struct Statement {
    protocol::Capsule capsule;
    Digest label;
  };
  bool is_sound(std::size_t item) const;
  PartialExchange(const protocol::Bundle& bundle, Audience audience, protocol::RequestBody body,
                  std::vector<protocol::Element> bases, std::vector<Statement> statements, const Asker& asker,
                  std::int64_t now_ms, Random& random);
  // The reading of one reply: whose it is, and who is blamed for what is wrong with it.
  struct Reading;

  protocol::Bundle bundle_;
  Audience audience_;
  std::vector<protocol::Element> bases_;  // what the parties' shares are to be used on
  std::vector<Statement> statements_;     // of the files; empty for derivations
  protocol::HpkePrivateKey reply_key_;
  protocol::Operation operation_;
  Bytes request_;
  Digest request_hash_{};
};

// As many partials as are needed from the answers of all parties that were asked. If they do not make a
// quorum, the error that says most about why: the file is altered, a party refuses, a party is not reachable.
Result<std::vector<protocol::IndexedPartial>> choose_quorum(const protocol::Bundle& bundle,
                                                            std::span<const PartialAnswer* const> answers);
// Compares the partials for one file in two sets of answers, first in a batch and then alone. Code::bad_proof
// names the parties whose partials differ: all of them were proven, so such a party made two proofs that
// contradict each other.
Status check_same_partials(const protocol::Bundle& bundle, std::span<const PartialAnswer* const> in_batch,
                           std::span<const PartialAnswer* const> alone);
// m of a file from the answers.
Result<protocol::Element> combine_answers(const protocol::Bundle& bundle, const protocol::Stanza& stanza,
                                          std::span<const PartialAnswer* const> answers);

}  // namespace coprotect::client
