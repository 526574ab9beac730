#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "client/agent_client.h"
#include "protocol/message/key_list.h"
#include "provisioning/further_keys.h"

namespace coprotect::provisioning {

// A company's keys as its folder and its agents know them, read as its administrator: without the client CA's
// key.
struct KeyOverview {
  std::vector<FurtherKey> keys;  // that have a folder; the first one under its tenant's name
  protocol::KeyList list;        // the newest, or what holds without one
  std::string agents;            // how far they have it, in a sentence

  static Result<KeyOverview> read(const std::filesystem::path& directory, std::int64_t now_ms);

  // A key by its name, or by its key_id if folder or list know it. Code::not_found otherwise.
  Result<protocol::KeyId> find(const std::string& key) const;
  // Its name; its key_id if it has none.
  std::string name_of(const protocol::KeyId& key_id) const;
  // Null if it has no folder.
  const FurtherKey* folder_of(const protocol::KeyId& key_id) const;
};

// What the agents of a key that is to be destroyed say of its erasure, each in a reply that it signed: a
// front in its place could hide that its operator holds it. Only they know whether it took place: a list says
// what its signer wanted.
struct Erasure {
  struct Agent {
    std::string name;
    bool erased = false;  // its shares, for good
    bool held = false;    // by its operator
    std::string problem;  // or empty
  };
  std::vector<Agent> agents;        // that answered
  std::vector<std::string> silent;  // what is not known, and why, in a sentence each

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
