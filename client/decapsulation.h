#pragma once

#include "client/quorum.h"

namespace coprotect::client {

// An envelope key, opened for use without files (protocol/SPEC.md §9.5). One caller at a time; connections to
// the agents are kept between calls.
class Decapsulation {
 public:
  // `reason` is what the agents' policies and logs get to see. Code::denied for a key of purpose derive.
  static Result<Decapsulation> make(HeldBundle bundle, Credentials credentials, std::string reason,
                                    std::chrono::milliseconds deadline, Via via = {});

  // Code::malformed if the bytes are no encapsulation for this key, before anyone is asked; Code::altered if
  // they were changed; the others as with Derivation.
  Result<Secret> secret(ByteView encapsulation);

 private:
  explicit Decapsulation(Quorum quorum) : quorum_(std::move(quorum)) {}
  Quorum quorum_;
};

}  // namespace coprotect::client
