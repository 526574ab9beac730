#include "client/config.h"

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cstdlib>

#include "client/files/small_file.h"

namespace coprotect::client {
namespace {

constexpr std::size_t kMaxConfigSize = 64 * 1024;
constexpr std::array<std::string_view, 5> kEntries = {"key_id", "bundle", "certificate", "key",
                                                      "deadline_seconds"};

Error malformed(const std::filesystem::path& file, const std::string& what) {
  return {Code::malformed, "configuration \"" + file.string() + "\": " + what};
}

}  // namespace

Result<Config> read_config(const std::filesystem::path& file) {
  const auto content = read_small_file(file, kMaxConfigSize);
  if (!content) return Error(content.error()).in("configuration");
  const toml::parse_result parsed = toml::parse(text_of(*content));
  if (!parsed) {
    return malformed(file, "line " + std::to_string(parsed.error().source().begin.line) + ": " +
                               std::string(parsed.error().description()));
  }
  const toml::table& table = parsed.table();
  for (const auto& [name, value] : table) {
    if (std::find(kEntries.begin(), kEntries.end(), name.str()) == kEntries.end()) {
      return malformed(file, "unknown entry \"" + std::string(name.str()) + "\"");
    }
  }

  Config config;
  config.file = file;
  const auto pin = from_hex(table["key_id"].value_or(std::string()));
  if (!pin || pin->size() != config.key_id.size())
    return malformed(file, "\"key_id\" is not 64 hexadecimal digits");
  std::copy(pin->begin(), pin->end(), config.key_id.begin());
  const std::array paths = {std::pair("bundle", &config.bundle),
                            std::pair("certificate", &config.certificate), std::pair("key", &config.key)};
  for (const auto& [name, path] : paths) {
    const auto value = table[name].value<std::string>();
    if (!value || value->empty()) return malformed(file, "\"" + std::string(name) + "\" is not a path");
    *path = file.parent_path() / *value;
  }
  if (const auto deadline = table["deadline_seconds"]) {
    const auto seconds = deadline.value_exact<std::int64_t>();
    if (!seconds || *seconds < 1 || *seconds > 3600)
      return malformed(file, "\"deadline_seconds\" is not 1 to 3600");
    config.deadline = std::chrono::seconds(*seconds);
  }
  return config;
}

std::filesystem::path default_config_file() {
  if (const char* const named = std::getenv("COPROTECT_CONFIG"); named != nullptr && *named != 0)
    return named;
  const char* const home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "/" : home) / ".config/coprotect/config.toml";
}

}  // namespace coprotect::client
