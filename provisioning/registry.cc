#include "provisioning/registry.h"

#include <algorithm>
#include <set>

#include "protocol/base/text.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/key_states.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;
using protocol::Certificate;
using protocol::SigningKey;

// The folder's administrator. If its certificate is missing or has expired, one that is valid for an hour.
Result<Credential> administrator_of(const fs::path& directory, const Bundle& bundle, const SigningKey& ca_key,
                                    std::int64_t now_ms, Random& random) {
  auto administrator = ClientDirectory::load(directory / "admin" / "config.toml");
  if (administrator) {
    const std::vector<Certificate> chain = {administrator->certificate};
    if (verify_client_chain(chain, bundle.parameters()->client_ca, now_ms))
      return Credential{std::move(administrator->key), std::move(administrator->certificate)};
  }
  return new_session(bundle.tenant(), bundle.parameters()->client_ca, ca_key, now_ms, random);
}

std::unique_ptr<client::Credentials> credentials_of(Credential credential) {
  return std::make_unique<client::Credentials>(client::Credentials{
      .certificate = std::move(credential.certificate), .key = std::move(credential.key)});
}

// "; removed 2: NAME, NAME", or nothing.
std::string named(std::string_view what, const std::set<std::string>& names) {
  constexpr std::size_t kNamed = 5;
  if (names.empty()) return "";
  std::string text = "; " + std::string(what) + " " + std::to_string(names.size());
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (count == kNamed) return text + ", …";
    text += (count++ == 0 ? ": " : ", ") + printable(name);
  }
  return text;
}

// "client list 20 of DATE", if it is not the folder's.
template <typename List>
std::string not_of_folder(std::string_view kind, const List& newest, const List& folders) {
  return "the agents have " + std::string(kind) + " " + std::to_string(newest.serial) + " of " +
         utc_text(newest.time_ms) + ", which this folder did not sign; its last one is " +
         std::to_string(folders.serial);
}

}  // namespace

Result<SigningKey> open_client_ca_key(const fs::path& directory, const Certificate& ca,
                                      const Operator& person) {
  auto sealed = client::read_small_file(directory / "client-ca.key", kMaxFile);
  if (!sealed) return std::move(sealed).error();
  auto passphrase = person.ca_passphrase();
  if (!passphrase) return std::move(passphrase).error();
  return open_ca_key(*sealed, ca, *passphrase);
}

// The only bundle in the folder.
Result<Bundle> first_bundle(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error))
    if (entry.path().extension() == ".bundle") found.push_back(entry.path());
  if (error || found.size() != 1)
    return with_hint(
        Error(Code::not_found, "\"" + directory.string() + "\" is not the folder of an onboarding"),
        "--dir names the folder that onboard was given as --out");
  auto encoded = client::read_small_file(found.front(), kMaxFile);
  if (!encoded) return std::move(encoded).error();
  auto bundle = Bundle::parse(*encoded);
  if (!bundle) return std::move(bundle).error().in("\"" + found.front().string() + "\"");
  return bundle;
}

Registry::Registry(DirectoryLock lock, fs::path directory, Bundle bundle, SigningKey ca_key,
                   Credential administrator, Credential session, const Operator& person)
    : person_(&person),
      lock_(std::move(lock)),
      directory_(std::move(directory)),
      bundle_(std::move(bundle)),
      ca_key_(std::move(ca_key)),
      administrator_(credentials_of(std::move(administrator))),
      session_(credentials_of(std::move(session))),
      clients_(std::make_unique<Published>(
          Published{SignedLists(kClientLists, bundle_, {session_->certificate}, session_->key), Bytes{}})),
      keys_(std::make_unique<Published>(
          Published{SignedLists(kKeyLists, bundle_, {session_->certificate}, session_->key), Bytes{}})) {}

Result<Registry> Registry::open(const fs::path& directory, const Operator& person, std::int64_t now_ms,
                                Random& random) {
  auto lock = DirectoryLock::acquire(directory);
  if (!lock) return std::move(lock).error();
  auto bundle = first_bundle(directory);
  if (!bundle) return std::move(bundle).error();
  auto ca_key = open_client_ca_key(directory, bundle->parameters()->client_ca, person);
  if (!ca_key) return std::move(ca_key).error();
  auto administrator = administrator_of(directory, *bundle, *ca_key, now_ms, random);
  if (!administrator) return std::move(administrator).error();
  auto session = new_session(bundle->tenant(), bundle->parameters()->client_ca, *ca_key, now_ms, random);
  if (!session) return std::move(session).error();
  return Registry(std::move(*lock), directory, std::move(*bundle), std::move(*ca_key),
                  *std::move(administrator), *std::move(session), person);
}

Status Registry::fetch(Published& published) {
  std::optional<Bytes> local;
  auto kept = client::read_small_file(directory_ / published.lists.kind().file, kMaxFile);
  if (kept) local = std::move(*kept);
  if (!local && kept.error().code() != Code::not_found) return std::move(kept).error();
  auto newest = published.lists.newest(local);
  if (!newest) return std::move(newest).error();
  published.newest = std::move(*newest);
  published.kept = std::move(local);
  return Done{};
}

Status Registry::give(Published& published) {
  const fs::path file = directory_ / published.lists.kind().file;
  if (auto kept = write_durable(file, published.newest, kPublicMode); !kept) return kept;
  auto given = published.lists.push(published.newest);
  if (given || !published.lists.refused_by_all()) published.kept = published.newest;
  return given;
}

// A list that all agents refused is treated as never signed: a later run must not use it as the newest, nor
// one list of a fork as the folder's.
Status Registry::withdraw(Published& published, Bytes before) {
  const fs::path file = directory_ / published.lists.kind().file;
  published.newest = std::move(before);
  if (published.kept) return write_durable(file, *published.kept, kPublicMode);
  std::error_code error;
  fs::remove(file, error);
  if (error) return Error(Code::unavailable, "cannot remove \"" + file.string() + "\"");
  return sync_directory(directory_);
}

template <typename List>
Status Registry::sign_and_give(Published& published, List list, std::int64_t now_ms) {
  Bytes before = published.newest;
  const auto serial = published.others_sign ? serial_past_all(published.lists.kind(), list.serial, now_ms)
                                            : serial_after(published.lists.kind(), list.serial);
  if (!serial) return serial.error();
  list.serial = *serial;
  list.time_ms = now_ms;
  published.newest = list.sign(ca_key_);
  auto given = give(published);
  if (given || !published.lists.refused_by_all()) return given;
  auto withdrawn = withdraw(published, std::move(before));
  return withdrawn ? given : withdrawn;
}

void Registry::warn_of(const Fork& fork, std::string_view without) const {
  person_->warn(fork.what + ": " +
                (fork.in_folder ? "the list in this folder counts"
                                : "this folder has none, so " + std::string(without)) +
                ", and is signed over both. Find out who has the client CA's key, and give again what an "
                "honest copy of the folder may have changed");
}

Status Registry::end_fork(protocol::ClientList folders) {
  const Fork& fork = *clients_->lists.fork();
  warn_of(fork, "the list of the first that is named counts");
  folders.serial = fork.serial;
  auto given = publish(std::move(folders), provisioning::now_ms());
  if (given || clients_->lists.refused_by_all()) return given;
  person_->warn(given.error().message());
  return Done{};
}

Status Registry::end_fork(protocol::KeyList folders) {
  const Fork& fork = *keys_->lists.fork();
  warn_of(fork, "how the keys were made counts");
  std::vector<protocol::KeyList> forked;
  for (const Bytes& encoded : fork.lists) {
    auto list = protocol::KeyList::parse(encoded, ca());
    if (!list) return std::move(list).error();
    forked.push_back(*std::move(list));
  }
  const protocol::KeyList over = over_forked(std::move(folders), forked);
  auto given = publish(over, provisioning::now_ms());
  if (!given && keys_->lists.refused_by_all())
    given = publish(with_destroyed(over, forked), provisioning::now_ms());
  if (given || keys_->lists.refused_by_all()) return given;
  person_->warn(given.error().message());
  return Done{};
}

Result<protocol::ClientList> Registry::clients(ListBase base) {
  if (auto fetched = fetch(*clients_); !fetched) return std::move(fetched).error();
  auto list = protocol::ClientList::parse(clients_->newest, ca());
  if (!list) return list;
  if (!clients_->lists.fork()) return chosen(*std::move(list), base);
  if (auto ended = end_fork(*std::move(list)); !ended) return std::move(ended).error();
  return protocol::ClientList::parse(clients_->newest, ca());
}

Result<protocol::ClientList> Registry::chosen(protocol::ClientList newest, ListBase base) {
  clients_->others_sign = base == ListBase::as_in_folder;
  if (!clients_->kept || *clients_->kept == clients_->newest) {
    if (base != ListBase::as_in_folder || clients_->kept) return newest;
    return Error(Code::not_found, "\"" + directory_.string() + "\" has no client list of its own");
  }
  auto folders = protocol::ClientList::parse(*clients_->kept, ca());
  if (!folders) return folders;
  clients_->others_sign = true;
  std::set<std::string> removed, added;
  bool locks_out = false;
  const std::string recovery = "coprotect:" + newest.tenant + ":recovery:";
  // Agents identify a client by both.
  const auto is_on = [](const protocol::ClientList& list, const Digest& key, const std::string& uri) {
    const auto found = list.clients.find(key);
    return found != list.clients.end() && found->second == uri;
  };
  for (const auto& [key, uri] : folders->clients) {
    if (is_on(newest, key, uri)) continue;
    removed.insert(uri);
    locks_out |= uri.starts_with(recovery) || key == administrator_->certificate.key_hash();
  }
  for (const auto& [key, uri] : newest.clients)
    if (!is_on(*folders, key, uri)) added.insert(uri);
  const std::string differs = not_of_folder("client list", newest, *folders) + named("removed", removed) +
                              named("added", added) +
                              ". If nobody of you signed it, somebody else has the client CA's key";
  if (locks_out && base == ListBase::newest)
    return with_hint(
        Error(Code::conflict, differs),
        "add-client or remove-client with --as-in-folder signs this folder's list over it, or with "
        "--as-at-agents goes on from the agents'");
  person_->warn(differs);
  if (base != ListBase::as_in_folder) return newest;
  folders->serial = newest.serial;
  return folders;
}

void Registry::warn_unless_of_folder(const protocol::KeyList& newest) {
  keys_->others_sign = !keys_->kept || *keys_->kept != keys_->newest;
  if (!keys_->others_sign) return;
  const auto folders = keys_->kept ? protocol::KeyList::parse(*keys_->kept, ca())
                                   : Result<protocol::KeyList>(starting_list(bundle_, newest.time_ms));
  if (!folders) return;
  std::set<std::string> others;
  for (const protocol::KeyList::Entry& entry : newest.keys) {
    const auto before = std::ranges::find(folders->keys, entry.key_id, &protocol::KeyList::Entry::key_id);
    if (before == folders->keys.end() || before->use != entry.use)
      others.insert(to_hex(entry.key_id) + " is " + std::string(key_use_name(entry.use)));
  }
  person_->warn(not_of_folder("key list", newest, *folders) + named("changed", others) +
                ". If nobody of you signed it, somebody else has the client CA's key: key-state gives a key "
                "back what it was");
}

Status Registry::publish(protocol::ClientList clients, std::int64_t now_ms) {
  if (clients.clients.size() > protocol::ClientList::kMaxClients)
    return with_hint(
        Error(Code::conflict, "the client list has " + std::to_string(protocol::ClientList::kMaxClients) +
                                  " clients, and no room for another"),
        "remove clients first. If others signed the list, add-client with --as-in-folder signs this folder's "
        "list over it");
  return sign_and_give(*clients_, std::move(clients), now_ms);
}

Status Registry::publish_again() {
  return give(*clients_);
}

Status Registry::enrol_recovery(const protocol::RecoveryKit& kit, std::int64_t now_ms) {
  auto certificate = protocol::Certificate::parse_der(kit.certificate());
  if (!certificate) return std::move(certificate).error().in("recovery kit");
  auto identity = protocol::client_identity(*certificate);
  if (!identity) return std::move(identity).error().in("recovery kit");
  auto list = clients();
  if (!list) return std::move(list).error();
  if (auto& uri = list->clients[certificate->key_hash()]; uri == identity->uri)
    return publish_again();
  else
    uri = identity->uri;
  return publish(std::move(*list), now_ms);
}

Result<protocol::KeyList> Registry::keys(std::int64_t now_ms) {
  auto fetched = fetch(*keys_);
  if (!fetched && fetched.error().code() == Code::not_found) return starting_list(bundle_, now_ms);
  if (!fetched) return std::move(fetched).error();
  auto list = protocol::KeyList::parse(keys_->newest, ca());
  if (!list) return list;
  if (const auto& fork = keys_->lists.fork()) {
    if (auto ended = end_fork(fork->in_folder ? *std::move(list) : starting_list(bundle_, now_ms)); !ended)
      return std::move(ended).error();
    list = protocol::KeyList::parse(keys_->newest, ca());
    if (!list) return list;
  } else {
    warn_unless_of_folder(*list);
  }
  const auto known = all_keys(directory_, bundle_);
  if (!known) return known.error();
  const std::vector<protocol::KeyId> strangers = keys_not_of(*list, *known);
  if (!strangers.empty())
    person_->warn("the key list of the agents names " + std::to_string(strangers.size()) +
                  " keys that this folder did not make, the first of them " + to_hex(strangers.front()) +
                  ": if nobody of you made them, somebody else has the client CA's key; key-state with "
                  "--drop-unknown takes them off");
  return list;
}

std::string Registry::client_list_line() const {
  const auto list = protocol::ClientList::parse(clients_->newest, ca());
  if (!list) return {};
  return "  client list   " + std::to_string(list->serial) + ": note it with the kit, if all else is lost\n";
}

Status Registry::publish(protocol::KeyList keys, std::int64_t now_ms) {
  if (keys.keys.size() > protocol::KeyList::kMaxKeys)
    return with_hint(
        Error(Code::conflict, "the key list names " + std::to_string(protocol::KeyList::kMaxKeys) +
                                  " keys, and there is no place for another one"),
        "key-state KEY STATE --drop-unknown takes those off that this folder did not make");
  return sign_and_give(*keys_, std::move(keys), now_ms);
}

Status Registry::publish_keys_again() {
  return give(*keys_);
}

}  // namespace coprotect::provisioning
