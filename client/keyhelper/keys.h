#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "client/config.h"
#include "client/derivation.h"
#include "client/keyclient/message.h"
#include "client/keyhelper/client_key.h"

namespace coprotect::keyhelper {

// The joint keys of one reading of the client's configuration, and their connections to the agents, which are
// kept between uses. Safe from several threads.
class Keys {
 public:
  // Without a configuration there are no keys. A key whose bundle or certificate cannot be used is left out,
  // with a line on standard error, and the others are there.
  static Result<std::shared_ptr<Keys>> read(const std::filesystem::path& config);
  // Whether a file that was read is no longer as it was.
  bool outdated() const;

  std::vector<keyclient::Key> list() const;
  Result<keyclient::Certificate> certificate(const keyclient::KeyId& key_id) const;
  Status log_in(const Secret& passphrase);
  void log_out();
  bool logged_in() const { return client_key_ != nullptr && client_key_->logged_in(); }

  // The secret in the size and form that is asked for. Errors have the codes of keyclient/message.h.
  Result<Secret> derive(const keyclient::Derivation& wanted);

 private:
  struct Entry {
    keyclient::Key key;
    std::string purpose;  // what agents are told
    protocol::Bundle bundle;
    keyclient::Certificate certificate;
  };
  // A file and what tells whether it changed.
  struct Watched {
    std::filesystem::path file;
    std::filesystem::file_time_type time;
    std::uintmax_t size;
  };
  using Connection = std::unique_ptr<client::Derivation>;

  Keys() = default;
  void watch(const std::filesystem::path& file);
  Status add(const std::string& name, const client::ConfiguredKey& configured, const client::Config& config);
  const Entry* find(const keyclient::KeyId& key_id) const;
  Result<Connection> connection(const Entry& entry);
  Result<Secret> shared_secret(const Entry& entry, ByteView peer);

  std::vector<Watched> watched_;
  std::vector<Entry> entries_;
  std::unique_ptr<ClientKey> client_key_;
  std::chrono::milliseconds deadline_{};
  client::Via via_;

  std::mutex mutex_;
  std::map<keyclient::KeyId, std::vector<Connection>> idle_;
  std::uint64_t login_ = 0;  // counts log-outs: a connection of an earlier login is not kept
};

}  // namespace coprotect::keyhelper
