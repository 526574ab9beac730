#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "client/agent_client.h"
#include "protocol/message/key_list.h"
#include "provisioning/further_keys.h"

namespace coprotect::provisioning {

// A company's keys as its folder and its agents know them. Read as its administrator, without the client CA's
// key.
struct KeyOverview {
  std::vector<FurtherKey> keys;  // that have a folder; the first one under its tenant's name
  protocol::KeyList list;        // the newest one, or the default if there is none
  std::string agents;            // which agents have it, in a sentence

  static Result<KeyOverview> read(const std::filesystem::path& directory, std::int64_t now_ms);

  // A key by its name, or by its key_id if the folder or the list knows it. Otherwise Code::not_found.
  Result<protocol::KeyId> find(const std::string& key) const;
  // Its name, or its key_id if it has none.
  std::string name_of(const protocol::KeyId& key_id) const;
  // Null if it has no folder.
  const FurtherKey* folder_of(const protocol::KeyId& key_id) const;
};

// What the agents of a key that is to be destroyed report about its erasure. Each signs its reply, because a
// front could otherwise hide that the operator holds the erasure. Only agents know whether it took place: a
// list shows only its signer's intention.
struct Erasure {
  struct Agent {
    std::string name;
    bool erased = false;  // its shares, permanently
    bool held = false;    // by its operator
    std::string problem;  // or empty
  };
  std::vector<Agent> agents;        // the ones that answered
  std::vector<std::string> silent;  // what is unknown, and why; one sentence each

  bool at_all_agents() const;
  static Erasure ask(const protocol::Bundle& bundle, const client::Credentials& administrator,
                     Random& random);
};

struct ShowKeysOptions {
  std::filesystem::path directory;
  bool json = false;
};

// Prints the company's keys and their states.
Status show_keys(const ShowKeysOptions& options, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
