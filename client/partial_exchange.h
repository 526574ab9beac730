#pragma once

#include <optional>
#include <span>
#include <vector>

#include "protocol/bundle/bundle.h"
#include "protocol/message/reply.h"
#include "protocol/message/request.h"
#include "protocol/threshold/partial.h"

namespace coprotect::client {

// A file's header, and the stanza in it for the key in use. Both must outlive the exchange.
struct LockedFile {
  const protocol::Header* header;
  const protocol::Stanza* stanza;
};
// The approximate size that a file adds to a request. For filling batches.
std::size_t request_share(const LockedFile& file);
// A batch holds at most protocol::kMaxItems files and about this many bytes.
constexpr std::size_t kMaxBatchSize = std::size_t{4} << 20;

// The requester, and what it asks for.
struct Asker {
  const protocol::Certificate* certificate;
  const protocol::SigningKey* key;
  protocol::Action action;
  std::string reason;
};

// A party's answer for one file: the partials of its indices, or the reason why there are none.
using PartialAnswer = Result<std::vector<protocol::IndexedPartial>>;

// The parties that a request addresses, as positions in the bundle: one party, or all that a chain reaches.
struct Audience {
  Audience(std::size_t party) : parties{party} {}
  Audience(std::vector<std::size_t> all) : parties(std::move(all)) {}
  std::vector<std::size_t> parties;  // not empty
};

// One signed request for partials of some files or derivations, and the parsing of its replies. No I/O.
class PartialExchange {
 public:
  // The request is for these parties only. At most kMaxItems files.
  static PartialExchange make(const protocol::Bundle& bundle, Audience audience,
                              std::span<const LockedFile> files, const Asker& asker, std::int64_t now_ms,
                              Random& random);
  // The same for peers' public values, to derive with.
  static PartialExchange make(const protocol::Bundle& bundle, Audience audience,
                              std::span<const protocol::Element> peers, const Asker& asker,
                              std::int64_t now_ms, Random& random);

  const Bytes& request() const { return request_; }
  // The path of the request at an agent that answers for itself only.
  std::string path() const;
  // The number of requested answers.
  std::size_t size() const { return bases_.size(); }

  // A party's answer for each item. If the party refused the request, each answer is its refusal.
  // Code::bad_proof, naming the party, if the reply is not its own reply to this request or a partial in it
  // was not computed with its share. Then the whole reply is rejected. `through` is the party that relayed
  // the reply, if any. That party may be the one at fault, so it is named too.
  Result<std::vector<PartialAnswer>> read(std::size_t party, ByteView reply,
                                          std::optional<std::size_t> through = std::nullopt) const;
  // The same for a request to one party.
  Result<std::vector<PartialAnswer>> read(ByteView reply) const {
    return read(audience_.parties.front(), reply);
  }

 private:
  // The data to check a file's TDH2 proof. Anyone can check it, so an agent's claim that it is invalid is
  // verified.
  struct Statement {
    protocol::Capsule capsule;
    Digest label;
  };
  bool is_sound(std::size_t item) const;
  PartialExchange(const protocol::Bundle& bundle, Audience audience, protocol::RequestBody body,
                  std::vector<protocol::Element> bases, std::vector<Statement> statements, const Asker& asker,
                  std::int64_t now_ms, Random& random);
  // The parsing of one reply: its sender, and who is blamed for its errors.
  struct Reading;

  protocol::Bundle bundle_;
  Audience audience_;
  std::vector<protocol::Element> bases_;  // the elements on which the parties' shares are used
  std::vector<Statement> statements_;     // of the files; empty for derivations
  protocol::HpkePrivateKey reply_key_;
  protocol::Operation operation_;
  Bytes request_;
  Digest request_hash_{};
};

// As many partials as needed, from the answers of all parties asked. If they are not a quorum, the most
// telling error: the file is altered, a party refuses, a party is unreachable.
Result<std::vector<protocol::IndexedPartial>> choose_quorum(const protocol::Bundle& bundle,
                                                            std::span<const PartialAnswer* const> answers);
// Compares one file's partials in two sets of answers: first in a batch, then alone. Code::bad_proof names
// the parties whose partials differ. All partials had valid proofs, so such a party made two contradictory
// ones.
Status check_same_partials(const protocol::Bundle& bundle, std::span<const PartialAnswer* const> in_batch,
                           std::span<const PartialAnswer* const> alone);
// A file's m from the answers.
Result<protocol::Element> combine_answers(const protocol::Bundle& bundle, const protocol::Stanza& stanza,
                                          std::span<const PartialAnswer* const> answers);

}  // namespace coprotect::client
