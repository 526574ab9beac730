#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "protocol/bundle/bundle.h"

namespace coprotect::provisioning {

// Where add-key stores a company's further keys in the folder that onboard made: keys/NAME/NAME.bundle.
constexpr std::string_view kFurtherKeys = "keys";

struct FurtherKey {
  std::string name;
  protocol::Bundle bundle;
};

// The complete ones, by name. May be empty.
Result<std::vector<FurtherKey>> further_keys(const std::filesystem::path& directory);

// The first key, under its tenant's name, and the further ones.
Result<std::vector<FurtherKey>> all_keys(const std::filesystem::path& directory,
                                         const protocol::Bundle& first);

// Code::malformed if a further key of the tenant cannot have this name, also because the first key's files,
// clients or recovery administrator use it: "recovery", or the tenant's own name.
Status check_further_name(const std::string& name, const std::string& tenant);

// The lines of a client's config.toml for this key. Its bundle is beside that file as NAME.bundle.
std::string further_key_entry(const FurtherKey& key);

}  // namespace coprotect::provisioning
