#include "client/keyhelper/keys.h"

#include <algorithm>
#include <iostream>

#include "client/joint_public_key.h"
#include "protocol/base/text.h"
#include "protocol/crypto/x963.h"

namespace coprotect::keyhelper {
namespace {

using keyclient::Kdf;
using protocol::X963Hash;

void say(const Error& error) {
  std::cerr << "coprotect-keyd: " + printable(error.message()) + "\n" << std::flush;
}

// To a program, all refusals by agents look the same, and so do their defects. "Altered" refers to an
// encapsulation.
Error of_agents(const Error& error) {
  switch (error.code()) {
    case Code::denied:
    case Code::limited:
    case Code::locked_out:
    case Code::unauthenticated:
      return {Code::denied, error.message()};
    case Code::unavailable:
      return error;
    case Code::altered:
      return {Code::malformed, error.message()};
    default:
      return {Code::internal, error.message()};
  }
}

Secret finish(const keyclient::Derivation& wanted, const Secret& z) {
  switch (wanted.kdf) {
    case Kdf::none:
      break;
    case Kdf::sha1:
      return protocol::x963_kdf(X963Hash::sha1, z, wanted.shared_info, wanted.size);
    case Kdf::sha256:
      return protocol::x963_kdf(X963Hash::sha256, z, wanted.shared_info, wanted.size);
    case Kdf::sha384:
      return protocol::x963_kdf(X963Hash::sha384, z, wanted.shared_info, wanted.size);
    case Kdf::sha512:
      return protocol::x963_kdf(X963Hash::sha512, z, wanted.shared_info, wanted.size);
  }
  return Secret::copy_of(z.reveal().last(wanted.size));
}

}  // namespace

void Keys::watch(const std::filesystem::path& file, std::optional<client::HeldBundle> bundle) {
  std::error_code ignored;  // a missing file has its own time and size
  watched_.push_back({.file = file,
                      .time = std::filesystem::last_write_time(file, ignored),
                      .size = std::filesystem::file_size(file, ignored),
                      .bundle = std::move(bundle)});
}

bool Keys::outdated() const {
  return std::ranges::any_of(watched_, [](const Watched& watched) {
    std::error_code ignored;
    const bool changed = std::filesystem::last_write_time(watched.file, ignored) != watched.time ||
                         std::filesystem::file_size(watched.file, ignored) != watched.size;
    return changed && !(watched.bundle && watched.bundle->follow_file());
  });
}

Result<std::shared_ptr<Keys>> Keys::read(const std::filesystem::path& file) {
  std::shared_ptr<Keys> keys(new Keys);
  keys->watch(file);
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return keys;
  const auto config = client::read_config(file);
  if (!config) return config.error();
  keys->watch(config->certificate);
  keys->watch(config->key);
  auto client_key = ClientKey::find(*config);
  if (!client_key) return std::move(client_key).error();
  keys->client_key_ = *std::move(client_key);
  keys->deadline_ = config->deadline;
  keys->via_ = config->via;
  if (auto added = keys->add("", *client::find_key(*config, ""), *config); !added) say(added.error());
  for (const auto& [name, key] : config->keys) {
    if (keys->entries_.size() == keyclient::kMaxKeys)
      return Error(Code::malformed,
                   "the configuration has more keys than " + std::to_string(keyclient::kMaxKeys));
    if (auto added = keys->add(name, key, *config); !added) say(added.error());
  }
  return keys;
}

Status Keys::add(const std::string& name, const client::ConfiguredKey& configured,
                 const client::Config& config) {
  if (configured.encryption_certificate) watch(*configured.encryption_certificate);
  auto bundle = client::load_bundle(configured.bundle, configured.key_id);
  if (!bundle) {
    watch(configured.bundle);
    return std::move(bundle).error();
  }
  const client::HeldBundle held(*bundle, configured.bundle, say);
  watch(configured.bundle, held);
  keyclient::Certificate certificate;
  if (configured.encryption_certificate) {
    auto loaded = client::load_encryption_certificate(*configured.encryption_certificate, *bundle);
    if (!loaded) return std::move(loaded).error();
    certificate = {.der = std::move(loaded->der),
                   .subject = std::move(loaded->subject),
                   .issuer = std::move(loaded->issuer),
                   .serial = std::move(loaded->serial)};
  }
  keyclient::Key key{// The first key has no name of its own: it is the company's.
                     .name = name.empty() ? bundle->tenant() : name,
                     .key_id = bundle->key_id(),
                     .suite = static_cast<keyclient::Suite>(bundle->group().suite()),
                     .purpose = static_cast<keyclient::Purpose>(bundle->parameters()->purpose),
                     .login_needed = client_key_->login_needed(),
                     .patience = config.deadline,
                     .public_key = client::public_value(*bundle),
                     .prime = client::prime_of(*bundle)};
  entries_.push_back({.key = std::move(key),
                      .purpose = configured.purpose,
                      .bundle = held,
                      .certificate = std::move(certificate)});
  return Done{};
}

std::vector<keyclient::Key> Keys::list() const {
  std::vector<keyclient::Key> keys;
  for (const Entry& entry : entries_) keys.push_back(entry.key);
  return keys;
}

const Keys::Entry* Keys::find(const keyclient::KeyId& key_id) const {
  const auto found = std::ranges::find(entries_, key_id, [](const Entry& entry) { return entry.key.key_id; });
  return found == entries_.end() ? nullptr : &*found;
}

Result<keyclient::Certificate> Keys::certificate(const keyclient::KeyId& key_id) const {
  const Entry* const entry = find(key_id);
  if (entry == nullptr) return Error(Code::not_found, "the configuration has no key " + to_hex(key_id));
  return entry->certificate;
}

Status Keys::log_in(const Secret& passphrase) {
  if (client_key_ == nullptr) return Error(Code::not_found, "there is no configuration");
  return client_key_->log_in(passphrase);
}

void Keys::log_out() {
  if (client_key_ == nullptr || !client_key_->login_needed()) return;
  client_key_->log_out();
  derivations_.drop();
  decapsulations_.drop();
}

Result<const Keys::Entry*> Keys::find(const keyclient::KeyId& key_id, protocol::Purpose purpose) const {
  const Entry* const entry = find(key_id);
  if (entry == nullptr) return Error(Code::not_found, "the configuration has no key " + to_hex(key_id));
  if (auto fits = client::check_purpose(*entry->bundle.current(), purpose); !fits)
    return std::move(fits).error();
  return entry;
}

template <typename T, typename Connect, typename Use>
Result<Secret> Keys::with(Idle<T>& idle, const Entry& entry, Connect connect, Use use) {
  auto taken = idle.take(entry.key.key_id);
  if (taken.connection == nullptr) {
    auto credentials = client_key_->credentials();
    if (!credentials) return std::move(credentials).error();
    Result<T> made = connect(*std::move(credentials));
    if (!made) return std::move(made).error();
    taken.connection = std::make_unique<T>(*std::move(made));
  }
  auto secret = use(*taken.connection);
  idle.give_back(entry.key.key_id, std::move(taken));
  if (!secret) return of_agents(secret.error());
  return secret;
}

Result<Secret> Keys::derive(const keyclient::Derivation& wanted) {
  const auto entry = find(wanted.key_id, protocol::Purpose::derive);
  if (!entry) return entry.error();
  if (wanted.kdf == Kdf::none && wanted.size > keyclient::shared_secret_size((*entry)->key.suite))
    return Error(Code::malformed, "more bytes are wanted than the shared secret has");
  if (auto peer = client::parse_peer((*entry)->bundle.current()->group(), wanted.peer); !peer)
    return std::move(peer).error();
  const auto connect = [&](client::Credentials credentials) {
    return client::Derivation::make((*entry)->bundle, std::move(credentials), protocol::Action::view,
                                    (*entry)->purpose, deadline_, std::nullopt, via_);
  };
  const auto z = with(derivations_, **entry, connect,
                      [&](auto& derivation) { return derivation.shared_secret(wanted.peer); });
  if (!z) return z.error();
  return finish(wanted, *z);
}

Result<protocol::Encapsulated> Keys::encapsulate(const keyclient::KeyId& key_id) const {
  const auto entry = find(key_id, protocol::Purpose::envelope);
  if (!entry) return entry.error();
  return protocol::encapsulate((*entry)->bundle.current()->public_key(), key_id, system_random());
}

Result<Secret> Keys::decapsulate(const keyclient::KeyId& key_id, ByteView encapsulation) {
  const auto entry = find(key_id, protocol::Purpose::envelope);
  if (!entry) return entry.error();
  if (auto header = protocol::parse_encapsulation(encapsulation, key_id); !header)
    return Error(Code::malformed, header.error().message());
  const auto connect = [&](client::Credentials credentials) {
    return client::Decapsulation::make((*entry)->bundle, std::move(credentials), (*entry)->purpose, deadline_,
                                       via_);
  };
  return with(decapsulations_, **entry, connect, [&](auto& key) { return key.secret(encapsulation); });
}

}  // namespace coprotect::keyhelper
