#include "client/cli/options.h"

#include <algorithm>

#include "client/enrolment.h"

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

Result<protocol::Bundle> find_bundle(const Options& options, const std::optional<Config>& config) {
  std::optional<protocol::KeyId> pin;
  if (options.key_id) {
    const auto bytes = from_hex(*options.key_id);
    if (!bytes || bytes->size() != pin.emplace().size()) {
      return Error(Code::malformed, "--key-id is not 64 hexadecimal digits");
    }
    std::copy(bytes->begin(), bytes->end(), pin->begin());
  } else if (config) {
    pin = config->key_id;
  }
  if (!options.bundle && !config)
    return Error(Code::not_found,
                 "no bundle: there is no configuration \"" + default_config_file().string() + "\"");
  auto bundle = load_bundle(options.bundle ? std::filesystem::path(*options.bundle) : config->bundle, pin);
  if (!bundle) return bundle;
  if (auto fits = check_purpose(*bundle, protocol::Purpose::envelope); !fits) return std::move(fits).error();
  return bundle;
}

}  // namespace coprotect::client
