#include "provisioning/agent_invitation.h"

#include "hsm/agent_folder.h"
#include "protocol/message/invitation.h"
#include "protocol/x509/issue.h"
#include "provisioning/agent_files.h"
#include "provisioning/clock.h"
#include "provisioning/durable.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Certificate;
using protocol::SigningKey;

// An invitation admits a new ceremony for this long …
constexpr std::int64_t kInvitationLifetimeMs = kDayMs;
// … and TLS lets its holder finish or abort an interrupted one for this long: a PREPARED key never expires.
constexpr std::int64_t kInvitationTlsLifetimeMs = 30 * kDayMs;

// The agent's half: what it needs to recognise the invitation, wrapped under its keyring.
Status write_invitation_record(const fs::path& folder, const protocol::Invitation& invitation,
                               const hsm::Keyring& keyring, Random& random) {
  const std::string id = to_hex(invitation.id);
  Secret record(invitation.secret.size() + sizeof(std::uint64_t) + invitation.tenant.size());
  std::copy(invitation.secret.reveal().begin(), invitation.secret.reveal().end(), record.fill().begin());
  auto expires = record.fill().subspan(invitation.secret.size(), sizeof(std::uint64_t));
  for (std::size_t i = 0; i < expires.size(); ++i)
    expires[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(invitation.expires_ms) >>
                                           (8 * (expires.size() - 1 - i)));
  std::ranges::copy(bytes_of(invitation.tenant), record.fill().last(invitation.tenant.size()).begin());
  const fs::path records = hsm::state_of(folder) / "invitations";
  if (auto made = make_agents_directory(records); !made) return made;
  return write_agents_file(records / id, keyring.wrap("invitation:" + id, record, random), kPrivateMode);
}

}  // namespace

Status write_invitation(const fs::path& folder, const AgentIdentity& agent, std::int64_t now_ms,
                        Random& random, const std::string& tenant) {
  if (!tenant.empty() && !protocol::valid_tenant(tenant))
    return Error(Code::malformed, "\"" + tenant + "\" is not a tenant's name");
  protocol::InvitationId id;
  random.fill(id);
  Secret secret(16);
  random.fill(secret.fill());
  SigningKey client_key = SigningKey::generate(random);
  const std::int64_t expires_ms = now_ms + kInvitationLifetimeMs;
  auto client_certificate =
      issue_certificate({.common_name = "invitation " + to_hex(id),
                         .use = protocol::CertificateUse::client,
                         .uris = {"coprotect:invitation:" + to_hex(id)},
                         .hosts = {},
                         .not_before_ms = now_ms - kBackdateMs,
                         .not_after_ms = now_ms + kInvitationTlsLifetimeMs},
                        client_key.public_key(), &agent.certificate, agent.keyring.identity(), random);
  if (!client_certificate) return std::move(client_certificate).error().in("invitation's certificate");
  const protocol::Invitation invitation{.role = agent.role,
                                        .url = agent.url,
                                        .identity_certificate = agent.certificate,
                                        .organisation = agent.organisation,
                                        .id = id,
                                        .secret = std::move(secret),
                                        .expires_ms = expires_ms,
                                        .tenant = tenant,
                                        .client_certificate = std::move(*client_certificate),
                                        .client_key = std::move(client_key)};
  if (auto written = write_invitation_record(folder, invitation, agent.keyring, random); !written)
    return written;
  const Secret line = invitation.encode();
  Secret with_newline(line.size() + 1);
  std::copy(line.reveal().begin(), line.reveal().end(), with_newline.fill().begin());
  with_newline.fill().back() = '\n';
  return write_agents_file(folder / "invitation", with_newline.reveal(), kPrivateMode);
}

}  // namespace coprotect::provisioning
