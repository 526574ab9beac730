#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "agent/ipc/channel.h"
#include "protocol/base/interest.h"

namespace coprotect::agent {

// Tracks the callers that wait for the custodian's replies, one for each call of a front. A front reports
// when one caller has disconnected. When a front ends, all its callers have. Safe from several threads.
class Callers {
 public:
  // Adds the caller of a call from a front. The caller is tracked while a copy of the pointer exists. No copy
  // may outlive this object.
  std::shared_ptr<const Interest> add(const std::shared_ptr<ipc::Channel>& front, std::uint64_t call,
                                      Interest::Clock::time_point until);
  // An unknown call has already had its reply.
  void gone(const std::shared_ptr<ipc::Channel>& front, std::uint64_t call);
  void all_gone(const std::shared_ptr<ipc::Channel>& front);

 private:
  using Call = std::pair<std::shared_ptr<ipc::Channel>, std::uint64_t>;
  void forget(const Call& call);

  std::mutex mutex_;
  std::map<Call, std::weak_ptr<Interest>> waiting_;
};

}  // namespace coprotect::agent
