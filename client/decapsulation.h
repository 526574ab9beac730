#pragma once

#include "client/quorum.h"

namespace coprotect::client {

// An envelope key, opened for use without files (protocol/SPEC.md §9.5). One caller at a time. Keeps the
// connections to the agents between calls.
class Decapsulation {
 public:
  // The agents' policies and logs see `reason`. Code::denied for a key of purpose derive.
  static Result<Decapsulation> make(HeldBundle bundle, Credentials credentials, std::string reason,
                                    std::chrono::milliseconds deadline, Via via = {});

  // Code::malformed, before any agent is asked, if the bytes are not an encapsulation for this key.
  // Code::altered if they were changed. Other errors as for Derivation.
  Result<Secret> secret(ByteView encapsulation);

 private:
  explicit Decapsulation(Quorum quorum) : quorum_(std::move(quorum)) {}
  Quorum quorum_;
};

}  // namespace coprotect::client
