#include "client/config.h"

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cstdlib>

#include "client/files/small_file.h"
#include "protocol/base/text.h"
#include "protocol/x509/certificate.h"

namespace coprotect::client {
namespace {

constexpr std::size_t kMaxConfigSize = 64 * 1024;
constexpr std::array<std::string_view, 9> kEntries = {
    "key_id", "bundle",           "purpose", "encryption_certificate", "certificate", "key",
    "keys",   "deadline_seconds", "via"};
constexpr std::size_t kMaxPurpose = 255;

Error malformed(const std::filesystem::path& file, const std::string& what) {
  return {Code::malformed, "configuration \"" + file.string() + "\": " + what};
}

Status refuse_others(const std::filesystem::path& file, const toml::table& table,
                     std::span<const std::string_view> known) {
  for (const auto& [name, value] : table)
    if (std::find(known.begin(), known.end(), name.str()) == known.end())
      return malformed(file, "unknown entry \"" + std::string(name.str()) + "\"");
  return Done{};
}

// Reads a key from its table.
Result<ConfiguredKey> read_key(const std::filesystem::path& file, const toml::table& table) {
  ConfiguredKey key;
  const auto pin = from_hex(table["key_id"].value_or(std::string()));
  if (!pin || pin->size() != key.key_id.size())
    return malformed(file, "\"key_id\" is not 64 hexadecimal digits");
  std::copy(pin->begin(), pin->end(), key.key_id.begin());
  const auto bundle = table["bundle"].value<std::string>();
  if (!bundle || bundle->empty()) return malformed(file, "\"bundle\" is not a path");
  key.bundle = file.parent_path() / *bundle;
  if (const auto entry = table["purpose"]) {
    const auto purpose = entry.value<std::string>();
    if (!purpose || purpose->size() > kMaxPurpose || !valid_utf8(*purpose))
      return malformed(file, "\"purpose\" is not a text of at most 255 bytes");
    key.purpose = *purpose;
  }
  if (const auto entry = table["encryption_certificate"]) {
    const auto path = entry.value<std::string>();
    if (!path || path->empty()) return malformed(file, "\"encryption_certificate\" is not a path");
    key.encryption_certificate = file.parent_path() / *path;
  }
  return key;
}

// [keys.NAME]
Status read_keys(const std::filesystem::path& file, const toml::table& keys, Config& config) {
  constexpr std::array<std::string_view, 4> kKeyEntries = {"key_id", "bundle", "purpose",
                                                           "encryption_certificate"};
  for (const auto& [name, value] : keys) {
    const std::string label(name.str());
    const toml::table* const table = value.as_table();
    if (table == nullptr || !valid_key_name(label))
      return malformed(file, "\"keys." + label + "\" is not a key with a name of a-z, 0-9 and -");
    if (auto strict = refuse_others(file, *table, kKeyEntries); !strict) return strict;
    auto key = read_key(file, *table);
    if (!key) return std::move(key).error().in("key \"" + label + "\"");
    config.keys.emplace(label, *std::move(key));
  }
  return Done{};
}

}  // namespace

bool valid_key_name(std::string_view name) {
  return protocol::valid_party_name(name);
}

Result<Config> read_config(const std::filesystem::path& file) {
  const auto content = read_small_file(file, kMaxConfigSize);
  if (!content) return Error(content.error()).in("configuration");
  const toml::parse_result parsed = toml::parse(text_of(*content));
  if (!parsed) {
    return malformed(file, "line " + std::to_string(parsed.error().source().begin.line) + ": " +
                               std::string(parsed.error().description()));
  }
  const toml::table& table = parsed.table();
  if (auto strict = refuse_others(file, table, kEntries); !strict) return std::move(strict).error();

  auto first = read_key(file, table);
  if (!first) return std::move(first).error();
  Config config;
  static_cast<ConfiguredKey&>(config) = *std::move(first);
  config.file = file;
  const std::array paths = {std::pair("certificate", &config.certificate), std::pair("key", &config.key)};
  for (const auto& [name, path] : paths) {
    const auto value = table[name].value<std::string>();
    if (!value || value->empty()) return malformed(file, "\"" + std::string(name) + "\" is not a path");
    *path = file.parent_path() / *value;
  }
  if (const auto keys = table["keys"]) {
    if (!keys.is_table()) return malformed(file, "\"keys\" is not a table");
    if (auto read = read_keys(file, *keys.as_table(), config); !read) return std::move(read).error();
  }
  if (const auto deadline = table["deadline_seconds"]) {
    const auto seconds = deadline.value_exact<std::int64_t>();
    if (!seconds || *seconds < 1 || *seconds > 3600)
      return malformed(file, "\"deadline_seconds\" is not 1 to 3600");
    config.deadline = std::chrono::seconds(*seconds);
  }
  if (const auto named = table["via"]) {
    const auto via = Via::parse(named.value_or(std::string()));
    if (!via) return malformed(file, "\"via\" is " + via.error().message());
    config.via = *via;
  }
  return config;
}

Result<ConfiguredKey> find_key(const Config& config, const std::string& name) {
  if (name.empty()) return ConfiguredKey(config);
  const auto key = config.keys.find(name);
  if (key == config.keys.end())
    return Error(Code::not_found,
                 "configuration \"" + config.file.string() + "\" has no key \"" + name + "\"");
  return key->second;
}

std::filesystem::path default_config_file() {
  if (const char* const named = std::getenv("COPROTECT_CONFIG"); named != nullptr && *named != 0)
    return named;
  const char* const home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "/" : home) / ".config/coprotect/config.toml";
}

}  // namespace coprotect::client
