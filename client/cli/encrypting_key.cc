#include "client/cli/encrypting_key.h"

#include "client/key_update.h"

namespace coprotect::client {
namespace {

using protocol::Bundle;

Result<Bundle> named_key(const Options& options, const std::optional<Config>& config) {
  auto bundle = find_bundle(options, config);
  if (!bundle || !config) return bundle;
  // The configuration may belong to another company or be incomplete. Then no list applies to this key.
  const auto store = open_key_store(*config);
  if (!store && store.error().code() != Code::altered) return bundle;
  if (!store) return store.error();
  if (auto encrypts = check_encrypts(*store, bundle->key_id()); !encrypts) return std::move(encrypts).error();
  return bundle;
}

Result<Bundle> newest_key(const Config& config) {
  auto store = open_key_store(config);
  if (!store) return std::move(store).error();
  const auto key_id = store->encrypting();
  if (!key_id) return key_id.error();
  auto bundle = store->bundle(*key_id);
  if (!bundle && bundle.error().code() == Code::not_found) {
    const auto credentials = own_credentials(config);
    if (!credentials) return credentials.error();
    if (auto updated = update_keys(*store, *credentials, config.deadline); !updated)
      return std::move(updated).error();
    bundle = store->bundle(*key_id);
  }
  if (!bundle) return bundle;
  if (auto held = store->check_encrypts_like_first(*bundle); !held) return std::move(held).error();
  return bundle;
}

}  // namespace

Status check_encrypts(const KeyStore& store, const protocol::KeyId& key_id) {
  const auto* const entry = store.entry(key_id);
  if (entry == nullptr || entry->use == protocol::KeyUse::encrypts) return Done{};
  return Error(Code::denied, "key " + to_hex(key_id) + " is not to encrypt: the key list says \"" +
                                 std::string(key_use_name(entry->use)) + "\"");
}

Result<Bundle> encrypting_key(const Options& options, const std::optional<Config>& config) {
  auto bundle =
      options.bundle || options.key_id || !config ? named_key(options, config) : newest_key(*config);
  if (!bundle) return bundle;
  if (auto fits = check_purpose(*bundle, protocol::Purpose::envelope); !fits) return std::move(fits).error();
  return bundle;
}

}  // namespace coprotect::client
