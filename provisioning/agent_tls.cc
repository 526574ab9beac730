#include "provisioning/agent_tls.h"

#include "protocol/x509/issue.h"
#include "provisioning/agent_files.h"
#include "provisioning/clock.h"
#include "provisioning/durable.h"
#include "provisioning/url.h"

namespace coprotect::provisioning {
namespace {

constexpr std::int64_t kLifetimeMs = 365 * kDayMs;

}  // namespace

Status write_tls(const std::filesystem::path& folder, const AgentIdentity& agent, std::int64_t now_ms,
                 Random& random) {
  const auto url = Url::parse(agent.url);
  if (!url) return url.error();
  const auto key = protocol::SigningKey::generate(random);
  auto certificate =
      issue_certificate({.common_name = url->host,
                         .use = protocol::CertificateUse::agent,
                         .uris = {},
                         .hosts = {url->host},
                         .not_before_ms = now_ms - kBackdateMs,
                         .not_after_ms = now_ms + kLifetimeMs},
                        key.public_key(), &agent.certificate, agent.keyring.identity(), random);
  if (!certificate) return std::move(certificate).error().in("TLS certificate");
  if (auto written = write_agents_file(folder / "tls.key.pem", key.to_pem().reveal(), kPrivateMode); !written)
    return written;
  return write_agents_file(folder / "tls.pem", bytes_of(certificate->pem()), kPublicMode);
}

}  // namespace coprotect::provisioning
