#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "client/enrolment.h"
#include "client/key_store.h"

namespace coprotect::client {

// The parsed command line. It never contains a secret.
struct Options {
  std::vector<std::string> inputs;
  std::optional<std::string> output;
  bool recursive = false;
  bool force = false;
  bool json = false;
  std::optional<std::string> config;
  std::optional<std::string> bundle;
  std::optional<std::string> key_id;
  // encrypt
  std::optional<std::string> policy;
  std::vector<std::string> allow_users;
  std::vector<std::string> allow_groups;
  // decrypt
  std::string reason;
  std::optional<std::string> via;
  bool recover = false;
  std::optional<std::string> kit;
  std::optional<int> code_fd;
  bool resume = false;
  std::optional<std::string> report;
  // rewrap
  std::optional<std::string> to;  // a name in the configuration, or a key_id
  bool keep_old = false;
  // public-key
  std::string key_name;  // empty: the first key
};

// The named configuration, or the one in its default place if that exists.
Result<std::optional<Config>> find_config(const Options& options);

// Code::malformed unless the text is 64 hexadecimal digits. `what` names it in the message.
Result<protocol::KeyId> read_key_id(std::string_view text, const std::string& what);

// The bundle to use: the named one, else the configured one. It is pinned by --key-id, else by the
// configuration. Without --bundle, --key-id may name any known key. Code::denied if its key is not for files.
Result<protocol::Bundle> find_bundle(const Options& options, const std::optional<Config>& config);

// The configuration's first key, with what the client has learnt about others.
Result<KeyStore> open_key_store(const Config& config);

// The client's own credentials. Asks at the terminal for the passphrase of an encrypted key.
Result<Credentials> own_credentials(const Config& config);

}  // namespace coprotect::client
