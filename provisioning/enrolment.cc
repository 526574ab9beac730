#include "provisioning/enrolment.h"

#include <algorithm>
#include <iostream>

#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/registry.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Certificate;
using protocol::ClientList;

// The identity of the new client.
struct Identity {
  std::string uri;
  std::vector<std::string> groups;
};

Result<Identity> identity_of(const AddClientOptions& options, const std::string& tenant) {
  if (!protocol::valid_subject_name(options.name))
    return Error(Code::malformed,
                 "\"" + options.name + "\" is not a client's name: letters, digits, . _ @ -, at most 64");
  const std::string prefix = "coprotect:" + tenant + ":";
  Identity identity{prefix + (options.role == protocol::Role::admin ? "admin:" : "user:") + options.name, {}};
  for (const std::string& group : options.groups) {
    if (!protocol::valid_subject_name(group))
      return Error(Code::malformed, "\"" + group + "\" is not a group's name");
    identity.groups.push_back(prefix + "group:" + group);
  }
  return identity;
}

// The certificate in a folder that an earlier run made, if it is for this client.
Result<Certificate> certificate_in(const fs::path& folder, const Identity& wanted, const Registry& registry,
                                   std::int64_t now_ms) {
  auto made = ClientDirectory::load(folder / "config.toml");
  if (!made) return std::move(made).error();
  if (made->bundle.key_id() != registry.bundle().key_id() || made->identity.uri != wanted.uri ||
      made->identity.groups != wanted.groups)
    return Error(Code::conflict, "\"" + folder.string() + "\" belongs to another client");
  const std::vector<Certificate> chain = {made->certificate};
  if (auto valid = verify_client_chain(chain, registry.ca(), now_ms); !valid) return std::move(valid).error();
  return std::move(made->certificate);
}

Result<Certificate> make_client(const AddClientOptions& options, const Identity& identity, Registry& registry,
                                std::int64_t now_ms, Random& random) {
  std::vector<std::string> uris = {identity.uri};
  uris.insert(uris.end(), identity.groups.begin(), identity.groups.end());
  auto client =
      new_client(uris, now_ms + options.days * kDayMs, registry.ca(), registry.ca_key(), now_ms, random);
  if (!client) return std::move(client).error();
  auto further = further_keys(options.directory);
  if (!further) return std::move(further).error();
  if (auto keys = registry.keys(now_ms); !keys) return std::move(keys).error();
  const ClientFiles files{.name = options.name,
                          .tenant = registry.bundle().tenant(),
                          .key_id = registry.bundle().key_id(),
                          .certificate = client->certificate,
                          .key = client->key,
                          .further = std::move(*further),
                          .key_list = registry.newest_keys()};
  if (auto done = create_client_directory(options.out, files, registry.bundle().encoded()); !done)
    return std::move(done).error();
  return std::move(client->certificate);
}

bool has_other_key(const ClientList& list, const std::string& uri, const Digest& key_hash) {
  return std::ranges::any_of(
      list.clients, [&](const auto& client) { return client.second == uri && client.first != key_hash; });
}

}  // namespace

Status add_client(const AddClientOptions& options, const Operator& person, std::int64_t now_ms,
                  Random& random) {
  if (options.days == 0 || options.days > kMaxClientDays)
    return Error(Code::malformed,
                 "a client's certificate is valid for 1 to " + std::to_string(kMaxClientDays) + " days");
  auto registry = Registry::open(options.directory, person, now_ms, random);
  if (!registry) return std::move(registry).error();
  auto identity = identity_of(options, registry->bundle().tenant());
  if (!identity) return std::move(identity).error();
  auto list = registry->clients(options.base);
  if (!list) return std::move(list).error();

  std::error_code ignored;
  const bool made_before = fs::exists(options.out, ignored);
  std::optional<Certificate> certificate;
  if (made_before) {
    auto found = certificate_in(options.out, *identity, *registry, now_ms);
    if (!found) return std::move(found).error();
    certificate = std::move(*found);
  }
  if (!options.replace &&
      has_other_key(*list, identity->uri, certificate ? certificate->key_hash() : Digest{}))
    return with_hint(Error(Code::conflict, "\"" + identity->uri + "\" is enrolled already, with another key"),
                     "--replace enrols a new key and refuses the old one from then on");
  if (!certificate) {
    auto made = make_client(options, *identity, *registry, now_ms, random);
    if (!made) return std::move(made).error();
    certificate = std::move(*made);
  }

  const auto enrolled = list->clients.find(certificate->key_hash());
  const bool complete = options.base != ListBase::as_in_folder && enrolled != list->clients.end() &&
                        enrolled->second == identity->uri &&
                        !has_other_key(*list, identity->uri, certificate->key_hash());
  if (!complete) {
    std::erase_if(list->clients, [&](const auto& client) { return client.second == identity->uri; });
    list->clients.insert_or_assign(certificate->key_hash(), identity->uri);
  }
  if (auto done = complete ? registry->publish_again() : registry->publish(std::move(*list), now_ms); !done)
    return done;
  std::cout << "enrolled \"" << identity->uri << "\" until " << utc_text(certificate->not_after_ms()) << ": "
            << options.out.string() << "/config.toml\n"
            << registry->client_list_line();
  return Done{};
}

Status remove_client(const RemoveClientOptions& options, const Operator& person, std::int64_t now_ms,
                     Random& random) {
  auto registry = Registry::open(options.directory, person, now_ms, random);
  if (!registry) return std::move(registry).error();
  auto list = registry->clients(options.base);
  if (!list) return std::move(list).error();

  const std::string prefix = "coprotect:" + registry->bundle().tenant() + ":";
  const std::vector<std::string> meant = {prefix + "user:" + options.name, prefix + "admin:" + options.name,
                                          options.name};
  std::vector<std::string> found;
  for (const auto& [key_hash, uri] : list->clients)
    if (std::ranges::find(meant, uri) != meant.end() && std::ranges::find(found, uri) == found.end())
      found.push_back(uri);
  if (found.size() > 1)
    return with_hint(Error(Code::conflict, "\"" + options.name + "\" is a user and an administrator"),
                     "name the one that is meant in full: \"" + found[0] + "\" or \"" + found[1] + "\"");
  if (found.empty()) {
    // An earlier run may have left an unreachable agent with the old list.
    if (options.base == ListBase::as_in_folder) {
      if (auto done = registry->publish(std::move(*list), now_ms); !done) return done;
      std::cout << "\"" << options.name << "\" is not on this folder's list, which both agents have now\n";
      return Done{};
    }
    if (!registry->someone_lacks_newest())
      return Error(Code::not_found, "no client \"" + options.name + "\" is enrolled");
    if (auto done = registry->publish_again(); !done) return done;
    std::cout << "\"" << options.name << "\" is not on the list; both agents have the newest list now\n";
    return Done{};
  }
  if (found.front().starts_with(prefix + "recovery:") && !options.without_recovery) {
    std::cout << "\"" << found.front()
              << "\" is whom a key's recovery kit acts as. Without it kit and code open nothing: no file by "
                 "decrypt --recover,\nno restore, and no announcement of other holders. If one agent is lost "
                 "then, the files are lost.\nnew-code makes a new kit and code, and enrols its own recovery "
                 "administrator.\n";
    if (auto sure = person.confirm("type \"without recovery\" to remove it: ", "without recovery"); !sure)
      return with_hint(std::move(sure).error(), "a script says so by --without-recovery");
  }
  std::erase_if(list->clients, [&](const auto& client) { return client.second == found.front(); });
  if (auto done = registry->publish(std::move(*list), now_ms); !done) return done;
  std::cout << "removed \"" << found.front() << "\": both agents refuse it from now on\n"
            << registry->client_list_line();
  return Done{};
}

}  // namespace coprotect::provisioning
