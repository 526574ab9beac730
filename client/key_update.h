#pragma once

#include <vector>

#include "client/enrolment.h"
#include "client/key_store.h"

namespace coprotect::client {

// What an update brought.
struct KeyUpdate {
  bool newer_list = false;
  std::vector<protocol::KeyId> learnt;  // keys whose bundles are new here
  // Keys of the list that do not encrypt, of which no agent shows a bundle, and why. Their files do not open;
  // whoever has the client CA's key can name keys that nobody made.
  std::vector<std::pair<protocol::KeyId, Error>> missing;
  // The agents have two lists of one serial number, or another one than this client of its number. Whoever
  // signed them, none of the two was taken: the client goes by what it has. Code::conflict.
  std::optional<Error> disputed;
  // The folder could not be written: what was learnt holds for this process only.
  std::optional<Error> not_kept;
};

// Asks the agents for the tenant's key list and for the bundles of its keys that the client does not have.
// The newest list counts; one agent that answers is enough. Of a key's bundle, a version is kept only if a
// quorum of its agents shows it (shown_by_quorum()): otherwise the bundle of its generation. Code::conflict
// if all that is offered is older than what is known, Code::unavailable if no agent answers; nothing is kept
// then, nor if the bundle of the key that encrypts is missing or does not hold, or no agent answers for one.
Result<KeyUpdate> update_keys(KeyStore& store, const Credentials& credentials,
                              std::chrono::milliseconds deadline);

}  // namespace coprotect::client
