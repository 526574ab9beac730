#include "client/cli/options.h"

#include <algorithm>

#include "client/terminal/secret_line.h"

namespace coprotect::client {

Result<std::optional<Config>> find_config(const Options& options) {
  const std::filesystem::path file =
      options.config ? std::filesystem::path(*options.config) : default_config_file();
  std::error_code ignored;
  if (!options.config && !std::filesystem::exists(file, ignored)) return std::optional<Config>();
  auto config = read_config(file);
  if (!config) return std::move(config).error();
  return std::optional(*std::move(config));
}

Result<protocol::KeyId> read_key_id(std::string_view text, const std::string& what) {
  const auto bytes = from_hex(text);
  protocol::KeyId key_id{};
  if (!bytes || bytes->size() != key_id.size())
    return Error(Code::malformed, what + " is not 64 hexadecimal digits");
  std::copy(bytes->begin(), bytes->end(), key_id.begin());
  return key_id;
}

Result<protocol::Bundle> find_bundle(const Options& options, const std::optional<Config>& config) {
  std::optional<protocol::KeyId> pin;
  if (options.key_id) {
    const auto named = read_key_id(*options.key_id, "--key-id");
    if (!named) return named.error();
    pin = *named;
  } else if (config) {
    pin = config->key_id;
  }
  if (!options.bundle && !config)
    return Error(Code::not_found,
                 "no bundle: there is no configuration \"" + default_config_file().string() + "\"");
  const auto known = [&]() -> std::optional<protocol::Bundle> {
    if (options.bundle || !options.key_id) return std::nullopt;
    auto store = open_key_store(*config);
    auto bundle = store ? store->bundle(*pin) : Result<protocol::Bundle>(store.error());
    return bundle ? std::optional(*std::move(bundle)) : std::nullopt;
  }();
  auto bundle =
      known ? Result<protocol::Bundle>(*known)
            : load_bundle(options.bundle ? std::filesystem::path(*options.bundle) : config->bundle, pin);
  if (!bundle) return bundle;
  if (auto fits = check_purpose(*bundle, protocol::Purpose::envelope); !fits) return std::move(fits).error();
  return bundle;
}

Result<KeyStore> open_key_store(const Config& config) {
  auto first = load_bundle(config.bundle, config.key_id);
  if (!first) return std::move(first).error();
  return KeyStore::open(config, *std::move(first));
}

Result<Credentials> own_credentials(const Config& config) {
  return load_credentials(config,
                          [] { return ask_secret("passphrase of the client's key: ", std::nullopt); });
}

}  // namespace coprotect::client
