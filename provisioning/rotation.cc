#include "provisioning/rotation.h"

#include <iostream>

#include "protocol/base/fault.h"
#include "protocol/base/in_groups.h"
#include "provisioning/add_key.h"
#include "provisioning/clock.h"
#include "provisioning/further_keys.h"
#include "provisioning/invitations.h"
#include "provisioning/key_states.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;
using protocol::KeyUse;

// Contains the new key's name from before its ceremony until both agents have the list with it.
constexpr std::string_view kUnfinished = ".rotation";
constexpr std::size_t kMaxName = 64;

// The name of the rotation that an earlier run began.
Result<std::optional<std::string>> begun(const fs::path& directory) {
  const auto name = client::read_small_file(directory / kUnfinished, kMaxName);
  if (name) return std::optional(std::string(text_of(*name)));
  if (name.error().code() == Code::not_found) return std::optional<std::string>();
  return name.error();
}

std::string free_name(const fs::path& directory) {
  std::error_code ignored;
  for (unsigned n = 1;; ++n) {
    std::string name = "rotation-" + std::to_string(n);
    if (!fs::exists(directory / kFurtherKeys / name, ignored)) return name;
  }
}

Result<std::string> begin(const RotateOptions& options, const std::string& tenant) {
  auto earlier = begun(options.directory);
  if (!earlier) return std::move(earlier).error();
  if (*earlier) {
    if (options.name && options.name != *earlier)
      return with_hint(Error(Code::conflict, "the rotation to \"" + **earlier + "\" is not finished"),
                       "the same command with that name, or none, finishes it");
    return **earlier;
  }
  std::string name = options.name ? *options.name : free_name(options.directory);
  // Checked before it is stored: afterwards no rotation could use another name.
  if (auto valid = check_further_name(name, tenant); !valid) return std::move(valid).error();
  if (auto noted = write_durable(options.directory / kUnfinished, bytes_of(name), kPublicMode); !noted)
    return std::move(noted).error();
  return name;
}

Status end(const fs::path& directory) {
  std::error_code error;
  fault_point("before the rotation is finished");
  fs::remove(directory / kUnfinished, error);
  if (error) return Error(Code::unavailable, "cannot remove \"" + (directory / kUnfinished).string() + "\"");
  auto synced = sync_directory(directory);
  fault_point("after the rotation is finished");
  return synced;
}

// Publishes the list in which the new key encrypts. May be repeated.
Status publish(const Bundle& bundle, Registry& registry, std::int64_t now_ms) {
  auto list = registry.keys(now_ms);
  if (!list) return std::move(list).error();
  if (list->find(bundle.key_id()) != nullptr) return registry.publish_keys_again();
  return registry.publish(with_use(*std::move(list), bundle.key_id(), KeyUse::encrypts, now_ms), now_ms);
}

void summarize(const std::string& name, const fs::path& directory, const Bundle& bundle) {
  const std::string folder = (directory / kFurtherKeys / name).string();
  std::cout
      << "\nthe key \"" << name << "\" of \"" << bundle.tenant()
      << "\" encrypts from now on; earlier keys only decrypt\n"
      << in_groups(bundle.key_id(), "    ") << "\n\n"
      << "  print         " << folder << "/recovery-sheet.txt, write the code on it and lock it away\n"
      << "  keep apart    " << folder << '/' << name
      << ".kit, in several copies. It holds the client CA's key, too:\n"
      << "                with its code it restores a lost company\n"
      << "  next          everyone: coprotect update, and then, for files that shall outlive the old key, "
         "coprotect rewrap -r FOLDER\n";
}

}  // namespace

Status rotate(const RotateOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  auto agents = read_invitations(options.cloud_invitation, options.company_invitation);
  if (!agents) return std::move(agents).error();
  if (!options.same_host) warn_if_agents_host(*agents, person);
  auto registry = Registry::open(options.directory, person, now_ms, random);
  if (!registry) return std::move(registry).error();
  if (auto same = check_same_agents(registry->bundle(), *agents); !same) return same;
  auto name = begin(options, registry->bundle().tenant());
  if (!name) return std::move(name).error();

  const AddKeyOptions key{.name = *name,
                          .directory = options.directory,
                          .cloud_invitation = options.cloud_invitation,
                          .company_invitation = options.company_invitation,
                          .purpose = protocol::Purpose::envelope,
                          .suite = options.suite.value_or(registry->bundle().parameters()->suite),
                          .same_host = options.same_host};
  auto bundle = make_further_key(key, *registry, *agents, person, now_ms, random);
  if (!bundle) return std::move(bundle).error();
  person.progress("giving both agents the list of keys");
  if (auto given = publish(*bundle, *registry, now_ms); !given) return given;
  if (auto ended = end(options.directory); !ended) return ended;
  summarize(*name, options.directory, *bundle);
  return Done{};
}

}  // namespace coprotect::provisioning
