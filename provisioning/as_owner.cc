#include "provisioning/as_owner.h"

#include <sys/fsuid.h>
#include <unistd.h>

namespace coprotect::provisioning {

AsOwner::AsOwner(const std::filesystem::path& folder) {
  if (geteuid() != 0) return;
  const auto owner = hsm::other_owner(folder);
  if (!owner || !*owner) return;  // what is done in the folder says why it cannot be
  owner_ = **owner;
  setfsgid(owner_->group);
  setfsuid(owner_->user);
}

AsOwner::~AsOwner() {
  if (!owner_) return;
  setfsuid(geteuid());
  setfsgid(getegid());
}

}  // namespace coprotect::provisioning
