#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "agent/ipc/channel.h"
#include "protocol/base/interest.h"

namespace coprotect::agent {

// Those who wait for the custodian's replies, each behind a call of a front. A front says when one has gone,
// and all of its callers have when it ends itself. Safe from several threads.
class Callers {
 public:
  // The caller of a call that a front has made. Known here for as long as a copy of the pointer exists, which
  // must not outlive this object.
  std::shared_ptr<const Interest> add(const std::shared_ptr<ipc::Channel>& front, std::uint64_t call,
                                      Interest::Clock::time_point until);
  // A call that is not known has had its reply.
  void gone(const std::shared_ptr<ipc::Channel>& front, std::uint64_t call);
  void all_gone(const std::shared_ptr<ipc::Channel>& front);

 private:
  using Call = std::pair<std::shared_ptr<ipc::Channel>, std::uint64_t>;
  void forget(const Call& call);

  std::mutex mutex_;
  std::map<Call, std::weak_ptr<Interest>> waiting_;
};

}  // namespace coprotect::agent
