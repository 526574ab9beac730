#include "agent/custodian/invitations.h"

#include <fstream>

#include "protocol/base/reader.h"

namespace coprotect::agent::custodian {
namespace {

constexpr std::size_t kSecretSize = 16;
constexpr std::streamsize kMaxFile = 4'096;

}  // namespace

Result<OwnInvitation> Invitations::find(const protocol::InvitationId& id) const {
  const std::string name = to_hex(id);
  std::ifstream file(folder_ / name, std::ios::binary);
  if (!file) return Error(Code::not_found, "invitation " + name + " is not of this agent");
  Bytes wrapped(kMaxFile);
  file.read(reinterpret_cast<char*>(wrapped.data()), kMaxFile);
  wrapped.resize(static_cast<std::size_t>(file.gcount()));

  auto opened = keyring_.unwrap("invitation:" + name, wrapped);
  if (!opened) return std::move(opened).error().in("invitation " + name);
  Reader r(opened->reveal());
  const auto secret = r.bytes(kSecretSize);
  const auto expires = r.u64();
  std::string tenant(text_of(r.rest()));
  if (!secret || !expires || (!tenant.empty() && !protocol::valid_tenant(tenant)))
    return Error(Code::altered, "invitation " + name + " is not one");
  return OwnInvitation{Secret::copy_of(*secret), static_cast<std::int64_t>(*expires), std::move(tenant)};
}

}  // namespace coprotect::agent::custodian
