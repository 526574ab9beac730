#include "provisioning/registry.h"

#include "provisioning/ca_key_file.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;
using protocol::Certificate;
using protocol::SigningKey;

constexpr std::int64_t kSessionMs = 60 * kMinuteMs;

// The only bundle in the folder.
Result<Bundle> find_bundle(const fs::path& directory) {
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

Result<SigningKey> open_key(const fs::path& directory, const Certificate& ca, const Operator& person) {
  auto sealed = client::read_small_file(directory / "client-ca.key", kMaxFile);
  if (!sealed) return std::move(sealed).error();
  auto passphrase = person.ca_passphrase();
  if (!passphrase) return std::move(passphrase).error();
  return open_ca_key(*sealed, ca, *passphrase);
}

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

Registry::Registry(DirectoryLock lock, fs::path directory, Bundle bundle, SigningKey ca_key,
                   Credential session)
    : lock_(std::move(lock)),
      directory_(std::move(directory)),
      bundle_(std::move(bundle)),
      ca_key_(std::move(ca_key)),
      session_key_(std::make_unique<SigningKey>(std::move(session.key))),
      lists_(std::make_unique<ClientLists>(bundle_, std::vector{std::move(session.certificate)},
                                           *session_key_)) {}

Result<Registry> Registry::open(const fs::path& directory, const Operator& person, std::int64_t now_ms,
                                Random& random) {
  auto lock = DirectoryLock::acquire(directory);
  if (!lock) return std::move(lock).error();
  auto bundle = find_bundle(directory);
  if (!bundle) return std::move(bundle).error();
  auto ca_key = open_key(directory, bundle->parameters()->client_ca, person);
  if (!ca_key) return std::move(ca_key).error();
  auto session = credential_for(directory, *bundle, *ca_key, now_ms, random);
  if (!session) return std::move(session).error();
  return Registry(std::move(*lock), directory, std::move(*bundle), std::move(*ca_key), std::move(*session));
}

Result<protocol::ClientList> Registry::clients() {
  std::optional<Bytes> local;
  auto kept = client::read_small_file(directory_ / kClientListFile, kMaxFile);
  if (kept) local = std::move(*kept);
  if (!local && kept.error().code() != Code::not_found) return std::move(kept).error();
  auto newest = lists_->newest(local);
  if (!newest) return std::move(newest).error();
  newest_ = std::move(*newest);
  return protocol::ClientList::parse(newest_, ca());
}

Status Registry::publish(protocol::ClientList clients, std::int64_t now_ms) {
  ++clients.serial;
  clients.time_ms = now_ms;
  newest_ = clients.sign(ca_key_);
  return publish_again();
}

Status Registry::publish_again() {
  if (auto kept = write_durable(directory_ / kClientListFile, newest_, kPublicMode); !kept) return kept;
  return lists_->push(newest_);
}

}  // namespace coprotect::provisioning
