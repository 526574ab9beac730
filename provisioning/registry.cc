#include "provisioning/registry.h"

#include <limits>

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

constexpr std::int64_t kSessionMs = 60 * kMinuteMs;

// The administrator of the folder, or, if its certificate is missing or has run out, one for the hour: that
// may bring a list, but is not told the present one.
Result<Credential> credential_for(const fs::path& directory, const Bundle& bundle, const SigningKey& ca_key,
                                  std::int64_t now_ms, Random& random) {
  const Certificate& ca = bundle.parameters()->client_ca;
  auto administrator = ClientDirectory::load(directory / "admin" / "config.toml");
  if (administrator) {
    const std::vector<Certificate> chain = {administrator->certificate};
    if (verify_client_chain(chain, ca, now_ms))
      return Credential{std::move(administrator->key), std::move(administrator->certificate)};
  }
  return new_client({"coprotect:" + bundle.tenant() + ":admin:coprotect-provision"}, now_ms + kSessionMs, ca,
                    ca_key, now_ms, random);
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
                   Credential session)
    : lock_(std::move(lock)),
      directory_(std::move(directory)),
      bundle_(std::move(bundle)),
      ca_key_(std::move(ca_key)),
      session_key_(std::make_unique<SigningKey>(std::move(session.key))),
      clients_(std::make_unique<Published>(
          Published{SignedLists(kClientLists, bundle_, {session.certificate}, *session_key_), Bytes{}})),
      keys_(std::make_unique<Published>(
          Published{SignedLists(kKeyLists, bundle_, {session.certificate}, *session_key_), Bytes{}})) {}

Result<Registry> Registry::open(const fs::path& directory, const Operator& person, std::int64_t now_ms,
                                Random& random) {
  auto lock = DirectoryLock::acquire(directory);
  if (!lock) return std::move(lock).error();
  auto bundle = first_bundle(directory);
  if (!bundle) return std::move(bundle).error();
  auto ca_key = open_client_ca_key(directory, bundle->parameters()->client_ca, person);
  if (!ca_key) return std::move(ca_key).error();
  auto session = credential_for(directory, *bundle, *ca_key, now_ms, random);
  if (!session) return std::move(session).error();
  return Registry(std::move(*lock), directory, std::move(*bundle), std::move(*ca_key), std::move(*session));
}

Status Registry::fetch(Published& published) {
  std::optional<Bytes> local;
  auto kept = client::read_small_file(directory_ / published.lists.kind().file, kMaxFile);
  if (kept) local = std::move(*kept);
  if (!local && kept.error().code() != Code::not_found) return std::move(kept).error();
  auto newest = published.lists.newest(local);
  if (!newest) return std::move(newest).error();
  published.newest = std::move(*newest);
  return Done{};
}

Status Registry::give(Published& published) {
  const fs::path file = directory_ / published.lists.kind().file;
  if (auto kept = write_durable(file, published.newest, kPublicMode); !kept) return kept;
  return published.lists.push(published.newest);
}

// What all refuse was never signed: a later run must not take it for the newest.
Status Registry::withdraw(Published& published, Bytes before) {
  const fs::path file = directory_ / published.lists.kind().file;
  published.newest = std::move(before);
  if (!published.newest.empty()) return write_durable(file, published.newest, kPublicMode);
  std::error_code error;
  fs::remove(file, error);
  if (error) return Error(Code::unavailable, "cannot remove \"" + file.string() + "\"");
  return sync_directory(directory_);
}

template <typename List>
Status Registry::sign_and_give(Published& published, List list, std::int64_t now_ms) {
  Bytes before = published.newest;
  if (list.serial == std::numeric_limits<std::uint64_t>::max())
    return with_hint(
        Error(Code::conflict, "no list can follow the present " + std::string(published.lists.kind().name) +
                                  ": it has the last serial number there is"),
        "an agent takes no such leap: the list was signed by other means, or is in this folder "
        "only; find out who has the client CA's key");
  ++list.serial;
  list.time_ms = now_ms;
  published.newest = list.sign(ca_key_);
  auto given = give(published);
  if (given || !published.lists.refused_by_all()) return given;
  auto withdrawn = withdraw(published, std::move(before));
  return withdrawn ? given : withdrawn;
}

Result<protocol::ClientList> Registry::clients() {
  if (auto fetched = fetch(*clients_); !fetched) return std::move(fetched).error();
  return protocol::ClientList::parse(clients_->newest, ca());
}

Status Registry::publish(protocol::ClientList clients, std::int64_t now_ms) {
  return sign_and_give(*clients_, std::move(clients), now_ms);
}

Status Registry::publish_again() {
  return give(*clients_);
}

Result<protocol::KeyList> Registry::keys(std::int64_t now_ms) {
  auto fetched = fetch(*keys_);
  if (!fetched && fetched.error().code() == Code::not_found) return starting_list(bundle_, now_ms);
  if (!fetched) return std::move(fetched).error();
  return protocol::KeyList::parse(keys_->newest, ca());
}

Status Registry::publish(protocol::KeyList keys, std::int64_t now_ms) {
  return sign_and_give(*keys_, std::move(keys), now_ms);
}

Status Registry::publish_keys_again() {
  return give(*keys_);
}

}  // namespace coprotect::provisioning
