#include "provisioning/agent_identity.h"

#include <toml++/toml.h>

#include "hsm/agent_folder.h"
#include "hsm/token_label.h"
#include "protocol/base/in_groups.h"
#include "protocol/crypto/hash.h"
#include "provisioning/durable.h"

namespace coprotect::provisioning {
namespace {

Result<std::optional<protocol::OrganisationCertificate>> read_organisation(
    const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "organisation";
  const auto encoded = client::read_small_file(file, kMaxFile);
  if (!encoded) return encoded.error();
  if (encoded->empty()) return std::optional<protocol::OrganisationCertificate>();
  auto parsed = protocol::OrganisationCertificate::parse(*encoded);
  if (!parsed) return std::move(parsed).error().in("\"" + file.string() + "\"");
  return std::optional(*std::move(parsed));
}

}  // namespace

Result<AgentIdentity> AgentIdentity::open(const std::filesystem::path& folder,
                                          const std::filesystem::path& token_helper,
                                          const std::filesystem::path& refused_pin,
                                          const std::filesystem::path& of) {
  const auto owner = hsm::other_owner(of.empty() ? folder : of);
  if (!owner) return owner.error();
  const std::filesystem::path config = folder / "agent.toml";
  auto text = client::read_small_file(config, kMaxFile);
  if (!text) return std::move(text).error();
  const toml::parse_result parsed = toml::parse(text_of(*text));
  if (!parsed)
    return Error(Code::malformed,
                 "\"" + config.string() + "\": " + std::string(parsed.error().description()));
  const toml::table& table = parsed.table();
  auto role = table["role"].value<std::string>();
  auto url = table["url"].value<std::string>();
  const auto token = table["token"].value<std::string>();
  if (!role || !url || !token)
    return Error(Code::malformed, "\"" + config.string() + "\": role, url or token is missing");

  auto pem = client::read_small_file(folder / "identity.pem", kMaxFile);
  if (!pem) return std::move(pem).error();
  auto certificate = protocol::Certificate::parse_pem(*pem);
  if (!certificate)
    return std::move(certificate).error().in("\"" + (folder / "identity.pem").string() + "\"");
  const hsm::Token device(
      {.uri = *token,
       .helper = token_helper,
       .refused_pin = refused_pin.empty() ? hsm::state_of(folder) / hsm::kRefusedPinFile : refused_pin,
       .owner = *owner});
  auto keyring = hsm::Keyring::open(device, folder / "keyring");
  if (!keyring) return std::move(keyring).error().in(hsm::token_label(*token));
  if (keyring->identity().public_key() != certificate->key())
    return Error(Code::altered, "\"" + folder.string() + "\": identity.pem is not of the key in the keyring");
  auto organisation = read_organisation(folder);
  if (!organisation) return std::move(organisation).error();
  if (*organisation && (*organisation)->certified_key() != certificate->key().bytes())
    return Error(Code::altered, "\"" + folder.string() + "\": \"organisation\" certifies another agent");
  hsm::Token named = device.named(keyring->token_name());
  return AgentIdentity{*std::move(role),         *std::move(url),     *std::move(certificate),
                       *std::move(organisation), *std::move(keyring), std::move(named)};
}

std::filesystem::path refused_pin_beside(const std::filesystem::path& folder) {
  return folder.string() + "." + hsm::kRefusedPinFile;
}

Result<std::string> fingerprints_in(const std::filesystem::path& folder) {
  const auto pem = client::read_small_file(folder / "identity.pem", kMaxFile);
  if (!pem) return pem.error();
  const auto certificate = protocol::Certificate::parse_pem(*pem);
  if (!certificate) return Error(certificate.error()).in("\"" + (folder / "identity.pem").string() + "\"");
  const auto organisation = read_organisation(folder);
  if (!organisation) return organisation.error();
  std::string text = "  identity      compare it with what others see before they approve this agent:\n" +
                     in_groups(protocol::sha256(certificate->key().bytes()), "      ") + '\n';
  if (*organisation)
    text += "  organisation\n" +
            in_groups(protocol::organisation_fingerprint((*organisation)->organisation_key()), "      ") +
            '\n';
  return text;
}

}  // namespace coprotect::provisioning
