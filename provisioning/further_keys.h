#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "protocol/bundle/bundle.h"

namespace coprotect::provisioning {

// Where add-key keeps a company's further keys, in the folder that onboard left: keys/NAME/NAME.bundle.
constexpr std::string_view kFurtherKeys = "keys";

struct FurtherKey {
  std::string name;
  protocol::Bundle bundle;
};

// Those that are complete, by name. None is fine.
Result<std::vector<FurtherKey>> further_keys(const std::filesystem::path& directory);

// The first key, under its tenant's name, and the further ones.
Result<std::vector<FurtherKey>> all_keys(const std::filesystem::path& directory,
                                         const protocol::Bundle& first);

// Whether a further key of the tenant can have this name. Code::malformed if not, or if it is one that the
// first key's files, clients or recovery administrator go by: "recovery", or the tenant's own.
Status check_further_name(const std::string& name, const std::string& tenant);

// The lines of a client's config.toml that name it; its bundle stands beside that file as NAME.bundle.
std::string further_key_entry(const FurtherKey& key);

}  // namespace coprotect::provisioning
