#include "client/keyhelper/client_key.h"

namespace coprotect::keyhelper {

Result<std::unique_ptr<ClientKey>> ClientKey::find(const client::Config& config) {
  const auto encrypted = client::key_is_encrypted(config);
  if (!encrypted) return encrypted.error();
  return std::unique_ptr<ClientKey>(new ClientKey(config, *encrypted));
}

bool ClientKey::logged_in() const {
  const std::lock_guard lock(mutex_);
  return encrypted_ && open_.has_value();
}

Status ClientKey::log_in(const Secret& passphrase) {
  if (!encrypted_) return Done{};
  auto opened =
      client::load_credentials(config_, [&passphrase]() -> Result<Secret> { return passphrase.clone(); });
  if (!opened) return std::move(opened).error();
  const std::lock_guard lock(mutex_);
  open_ = *std::move(opened);
  return Done{};
}

void ClientKey::log_out() {
  const std::lock_guard lock(mutex_);
  if (encrypted_) open_.reset();
}

Result<client::Credentials> ClientKey::credentials() {
  const std::lock_guard lock(mutex_);
  if (!open_) {
    if (encrypted_) return Error(Code::unauthenticated, "the passphrase of the client's key is needed first");
    auto opened = client::load_credentials(config_);
    if (!opened) return std::move(opened).error();
    open_ = *std::move(opened);
  }
  auto key = protocol::SigningKey::from_scalar(open_->key.scalar().reveal());
  if (!key) return std::move(key).error();
  return client::Credentials{.certificate = open_->certificate, .key = *std::move(key)};
}

}  // namespace coprotect::keyhelper
