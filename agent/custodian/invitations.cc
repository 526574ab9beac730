#include "agent/custodian/invitations.h"

#include <algorithm>
#include <system_error>

#include "hsm/durable_file.h"
#include "protocol/base/reader.h"

namespace coprotect::agent::custodian {
namespace {

constexpr std::size_t kSecretSize = 16;
constexpr std::size_t kMaxFile = 4'096;

}  // namespace

Result<OwnInvitation> Invitations::find(const protocol::InvitationId& id) const {
  const std::string name = to_hex(id);
  const auto wrapped = hsm::read_file(folder_ / name, kMaxFile);
  if (!wrapped && wrapped.error().code() == Code::not_found)
    return Error(Code::not_found, "invitation " + name + " is not of this agent");
  if (!wrapped) return wrapped.error();
  auto opened = keyring_.unwrap("invitation:" + name, *wrapped);
  if (!opened) return std::move(opened).error().in("invitation " + name);
  Reader r(opened->reveal());
  const auto secret = r.bytes(kSecretSize);
  const auto expires = r.u64();
  std::string tenant(text_of(r.rest()));
  if (!secret || !expires || (!tenant.empty() && !protocol::valid_tenant(tenant)))
    return Error(Code::altered, "invitation " + name + " is not one");
  return OwnInvitation{Secret::copy_of(*secret), static_cast<std::int64_t>(*expires), std::move(tenant)};
}

std::map<protocol::InvitationId, Result<OwnInvitation>> Invitations::all() const {
  std::map<protocol::InvitationId, Result<OwnInvitation>> found;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(folder_, failure), end;
       !failure && entry != end && found.size() < kMostListed; entry.increment(failure)) {
    const auto named = from_hex(entry->path().filename().string());
    protocol::InvitationId id{};
    if (!named || named->size() != id.size()) continue;
    std::ranges::copy(*named, id.begin());
    found.emplace(id, find(id));
  }
  return found;
}

}  // namespace coprotect::agent::custodian
