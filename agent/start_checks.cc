#include "agent/start_checks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/text_file.h"
#include "hsm/erasure_holds.h"
#include "protocol/base/fd.h"
#include "protocol/base/secret_file.h"

namespace coprotect::agent {
namespace {

Result<protocol::Certificate> read_certificate(const std::filesystem::path& file) {
  const auto pem = read_text_file(file);
  if (!pem) return pem.error();
  auto certificate = protocol::Certificate::parse_pem(bytes_of(*pem));
  if (!certificate) return std::move(certificate).error().in("\"" + file.string() + "\"");
  return certificate;
}

// An empty file says that the agent is its company's: the client CA certifies it.
Result<std::optional<protocol::OrganisationCertificate>> read_organisation(
    const std::filesystem::path& file) {
  const auto encoded = read_text_file(file);
  if (!encoded) return encoded.error();
  if (encoded->empty()) return std::optional<protocol::OrganisationCertificate>();
  auto certificate = protocol::OrganisationCertificate::parse(bytes_of(*encoded));
  if (!certificate) return std::move(certificate).error().in("\"" + file.string() + "\"");
  return std::optional(*std::move(certificate));
}

}  // namespace

Status check_folder(const std::filesystem::path& folder) {
  struct stat about {};
  if (stat(folder.c_str(), &about) != 0) {
    if (errno == ENOENT) return Done{};
    return Error(Code::unavailable, "cannot look at \"" + folder.string() + "\": " + std::strerror(errno));
  }
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) == 0) return Done{};
  return Error(Code::malformed, "others may write to the agent's folder \"" + folder.string() +
                                    "\": chmod go-w it, and consider what they may have changed");
}

std::vector<std::filesystem::path> own_folders(const Config& config) {
  return {config.folder, config.state(), config.folder / hsm::ErasureHolds::kFolder};
}

Status check_user(const std::filesystem::path& state) {
  struct stat about {};
  if (stat(state.c_str(), &about) != 0 || about.st_uid == geteuid()) return Done{};
  return Error(Code::denied, "\"" + state.string() + "\" belongs to the user with the number " +
                                 std::to_string(about.st_uid) + ": start the agent as that user");
}

Status check_tls_key(const std::filesystem::path& file) {
  const Fd key(open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return key ? is_kept_secret(key.get(), file.native()) : Status(Done{});
}

Result<OwnIdentity> read_identity(const std::filesystem::path& folder) {
  auto certificate = read_certificate(folder / "identity.pem");
  if (!certificate) return std::move(certificate).error();
  auto organisation = read_organisation(folder / "organisation");
  if (!organisation) return std::move(organisation).error();
  if (*organisation && (*organisation)->certified_key() != certificate->key().bytes())
    return Error(Code::altered, "the file \"organisation\" certifies another agent than identity.pem");
  return OwnIdentity{.certificate = *std::move(certificate), .organisation = *std::move(organisation)};
}

hsm::Token token_of(const Config& config, const std::filesystem::path& programs) {
  return hsm::Token({.uri = config.token,
                     .helper = programs / "coprotect-token",
                     .refused_pin = config.state() / hsm::kRefusedPinFile});
}

Result<hsm::Keyring> open_keyring(const Config& config, const hsm::Token& token,
                                  const OwnIdentity& identity) {
  auto keyring = hsm::Keyring::open(token, config.folder / "keyring");
  if (!keyring) return std::move(keyring).error().in("keyring");
  if (!(keyring->identity().public_key() == identity.certificate.key()))
    return Error(Code::altered, "identity.pem is not the certificate of the keyring's identity");
  return keyring;
}

custodian::Settings settings_of(const Config& config, OwnIdentity identity) {
  return {.role = config.role,
          .url = config.url,
          .identity_certificate = std::move(identity.certificate),
          .organisation = std::move(identity.organisation),
          .folder = config.folder,
          .allow_recover = config.policy.recover,
          .requests = config.policy.requests,
          .allow_sole_holder = config.policy.sole_holder,
          .agents_of_new_keys = config.policy.agents_of_new_keys,
          .handover = {.delay_ms = std::chrono::milliseconds(config.policy.handover.delay).count(),
                       .announced = config.policy.handover.announced,
                       .notify = {}},
          .derive = config.policy.derive,
          .destroy_wait = config.policy.destroy_wait,
          .peers_every = config.peers_every};
}

}  // namespace coprotect::agent
