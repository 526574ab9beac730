#pragma once

#include <vector>

#include "client/enrolment.h"
#include "client/key_store.h"

namespace coprotect::client {

// The result of an update.
struct KeyUpdate {
  bool newer_list = false;
  std::vector<protocol::KeyId> learnt;  // keys whose bundles are new to this client
  // Keys of the list that do not encrypt and whose bundle no agent shows, and why. Their files do not open. A
  // thief of the client CA's key can list keys that nobody made.
  std::vector<std::pair<protocol::KeyId, Error>> missing;
  // Code::conflict: the agents have two lists with one serial number, or a list that differs from the
  // client's under the client's number. Neither is accepted, whoever signed them. The client keeps its list.
  std::optional<Error> disputed;
  // The folder could not be written. The result is valid for this process only.
  std::optional<Error> not_kept;
};

// Asks the agents for the tenant's key list and for the bundles that the client lacks. The newest list
// counts, and one answering agent is enough. A version of a key's bundle is kept only if a quorum of its
// agents shows it (shown_by_quorum()), otherwise the bundle of the key generation is kept. Code::conflict if
// everything offered is older than what is known. Code::unavailable if no agent answers. In both cases, and
// if the bundle of the encrypting key is missing or invalid, or no agent answers for a key, nothing is kept.
Result<KeyUpdate> update_keys(KeyStore& store, const Credentials& credentials,
                              std::chrono::milliseconds deadline);

}  // namespace coprotect::client
