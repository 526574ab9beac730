#pragma once

#include <map>
#include <memory>

#include "client/cli/opening.h"
#include "client/key_store.h"

namespace coprotect::client {

// The keys that a command can open files with, each with its agents. Everyday: every key that the client
// knows, asked as its files come; the agents are asked once for keys that it does not know. With --recover,
// or a bundle or key_id on the command line: that one key.
class Openings {
 public:
  // Newer bundles of the keys are kept in place of the older ones; `warn` hears if that cannot be.
  static Result<Openings> prepare(const Options& options, HeldBundle::Warn warn = {});

  // Which of a file's stanzas is to be opened, and by whom.
  struct Choice {
    protocol::KeyId key_id;
    Quorum* quorum;
  };
  // The newest key's stanza of those that are known. Code::not_found if there is none; other codes if the
  // agents could not be asked for it.
  Result<Choice> choose(const protocol::Header& header);

  // Null with --recover, or if one key was named.
  KeyStore* store() { return everyday_ ? &everyday_->store : nullptr; }
  // Asks the agents for newer keys, once, and warns if they have two lists of one number. Everyday only.
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
