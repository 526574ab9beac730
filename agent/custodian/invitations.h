#pragma once

#include <filesystem>
#include <map>

#include "hsm/keyring.h"
#include "protocol/message/invitation.h"

namespace coprotect::agent::custodian {

// The agent's half of an invitation.
struct OwnInvitation {
  Secret secret;  // 16 bytes, shared with the invited party
  std::int64_t expires_ms;
  std::string tenant;  // the only tenant it is valid for; empty: any
};

// The invitations that the operator issued: one file each in `folder`, named by the id in hexadecimal and
// sealed by the keyring.
class Invitations {
 public:
  Invitations(std::filesystem::path folder, const hsm::Keyring& keyring)
      : folder_(std::move(folder)), keyring_(keyring) {}

  // Code::not_found if none was issued under this id, Code::altered if its file was changed.
  Result<OwnInvitation> find(const protocol::InvitationId& id) const;
  // Each file that is named by an id: the invitation, or why it cannot be read. At most kMostListed.
  std::map<protocol::InvitationId, Result<OwnInvitation>> all() const;
  static constexpr std::size_t kMostListed = 1'000;

 private:
  std::filesystem::path folder_;
  const hsm::Keyring& keyring_;
};

}  // namespace coprotect::agent::custodian
