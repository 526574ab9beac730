#include "provisioning/further_keys.h"

#include <algorithm>

#include "client/config.h"
#include "provisioning/durable.h"
#include "provisioning/toml_text.h"

namespace coprotect::provisioning {

namespace fs = std::filesystem;

Result<std::vector<FurtherKey>> further_keys(const fs::path& directory) {
  std::vector<FurtherKey> keys;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory / kFurtherKeys, error)) {
    const std::string name = entry.path().filename().string();
    const fs::path file = entry.path() / (name + ".bundle");
    std::error_code ignored;
    const bool unfinished = fs::exists(entry.path() / ".onboarding", ignored);
    if (unfinished || !fs::exists(file, ignored)) continue;
    auto encoded = client::read_small_file(file, kMaxFile);
    if (!encoded) return std::move(encoded).error();
    auto bundle = protocol::Bundle::parse(*encoded);
    if (!bundle) return std::move(bundle).error().in("\"" + file.string() + "\"");
    keys.push_back({name, std::move(*bundle)});
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return Error(Code::unavailable, "cannot read \"" + (directory / kFurtherKeys).string() + "\"");
  std::ranges::sort(keys, {}, &FurtherKey::name);
  return keys;
}

Result<std::vector<FurtherKey>> all_keys(const fs::path& directory, const protocol::Bundle& first) {
  auto keys = further_keys(directory);
  if (keys) keys->insert(keys->begin(), {first.tenant(), first});
  return keys;
}

Status check_further_name(const std::string& name, const std::string& tenant) {
  if (!client::valid_key_name(name))
    return Error(Code::malformed, "\"" + name + "\" is not a key's name: a-z, 0-9 and hyphens, at most 32");
  if (name == "recovery" || name == tenant)
    return Error(Code::malformed,
                 "\"" + name + "\" is a name of the first key: give the further key another one");
  return Done{};
}

std::string further_key_entry(const FurtherKey& key) {
  return "[keys." + key.name + "]\nkey_id = " + toml_string(to_hex(key.bundle.key_id())) +
         "\nbundle = " + toml_string(key.name + ".bundle") + "\n";
}

}  // namespace coprotect::provisioning
