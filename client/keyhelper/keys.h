#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "client/config.h"
#include "client/decapsulation.h"
#include "client/derivation.h"
#include "client/keyclient/message.h"
#include "client/keyhelper/client_key.h"
#include "client/keyhelper/idle.h"
#include "protocol/file/encapsulation.h"

namespace coprotect::keyhelper {

// The joint keys of one reading of the client's configuration, with their connections to agents, which are
// kept between uses. Safe from several threads.
class Keys {
 public:
  // Without a configuration there are no keys. A key whose bundle or certificate is unusable is left out,
  // with a line on standard error.
  static Result<std::shared_ptr<Keys>> read(const std::filesystem::path& config);
  // Whether a file has changed since it was read.
  bool outdated() const;

  std::vector<keyclient::Key> list() const;
  Result<keyclient::Certificate> certificate(const keyclient::KeyId& key_id) const;
  Status log_in(const Secret& passphrase);
  void log_out();
  bool logged_in() const { return client_key_ != nullptr && client_key_->logged_in(); }

  // The secret in the requested size and form. Errors have the codes of keyclient/message.h.
  Result<Secret> derive(const keyclient::Derivation& wanted);
  // For an envelope key: a fresh secret, made without asking an agent, and the secret that the agents
  // recover.
  Result<protocol::Encapsulated> encapsulate(const keyclient::KeyId& key_id) const;
  Result<Secret> decapsulate(const keyclient::KeyId& key_id, ByteView encapsulation);

 private:
  struct Entry {
    keyclient::Key key;
    std::string purpose;  // that agents are told
    client::HeldBundle bundle;
    keyclient::Certificate certificate;
  };
  // A file, and what shows that it changed.
  struct Watched {
    std::filesystem::path file;
    std::filesystem::file_time_type time;
    std::uintmax_t size;
    std::optional<client::HeldBundle> bundle;  // which advances by itself
  };

  Keys() = default;
  void watch(const std::filesystem::path& file, std::optional<client::HeldBundle> bundle = {});
  Status add(const std::string& name, const client::ConfiguredKey& configured, const client::Config& config);
  const Entry* find(const keyclient::KeyId& key_id) const;
  // The key, if it is for this purpose.
  Result<const Entry*> find(const keyclient::KeyId& key_id, protocol::Purpose purpose) const;
  // Runs `use` on an idle connection, or on a new one that `connect` makes from credentials.
  template <typename T, typename Connect, typename Use>
  Result<Secret> with(Idle<T>& idle, const Entry& entry, Connect connect, Use use);

  std::vector<Watched> watched_;
  std::vector<Entry> entries_;
  std::unique_ptr<ClientKey> client_key_;
  std::chrono::milliseconds deadline_{};
  client::Via via_;
  Idle<client::Derivation> derivations_;
  Idle<client::Decapsulation> decapsulations_;
};

}  // namespace coprotect::keyhelper
