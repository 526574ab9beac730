#pragma once

#include <map>
#include <memory>

#include "client/cli/opening.h"
#include "client/key_store.h"

namespace coprotect::client {

// The keys with which a command can open files, each with its agents. Everyday: every key that the client
// knows, opened when its first file comes; the agents are asked once for unknown keys. With --recover, or
// with a bundle or key_id on the command line: only that key.
class Openings {
 public:
  // Newer bundles of the keys replace the older ones; `warn` is called if that fails.
  static Result<Openings> prepare(const Options& options, HeldBundle::Warn warn = {});

  // Which of a file's stanzas to open, and with which quorum.
  struct Choice {
    protocol::KeyId key_id;
    Quorum* quorum;
  };
  // Of the known keys' stanzas, the newest key's. Code::not_found if there is none; other codes if the agents
  // could not be asked for it.
  Result<Choice> choose(const protocol::Header& header);

  // Null with --recover, or if one key was named.
  KeyStore* store() { return everyday_ ? &everyday_->store : nullptr; }
  // Asks the agents once for newer keys, and warns if they have two lists with one serial number. Everyday
  // only.
  Status update();

 private:
  struct Everyday {
    Options options;
    Config config;
    KeyStore store;
    std::shared_ptr<const Credentials> credentials;
    HeldBundle::Warn warn;
    std::map<protocol::KeyId, Quorum> quorums = {};
    std::optional<Status> updated = {};
  };
  Result<Choice> choose_known(const protocol::Header& header);
  Result<Quorum*> quorum_of(const protocol::KeyId& key_id);

  std::optional<Quorum> single_;
  std::optional<Everyday> everyday_;
};

}  // namespace coprotect::client
