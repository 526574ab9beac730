#include "agent/callers.h"

#include <vector>

namespace coprotect::agent {

std::shared_ptr<const Interest> Callers::add(const std::shared_ptr<ipc::Channel>& front, std::uint64_t call,
                                             Interest::Clock::time_point until) {
  const Call key{front, call};
  const std::shared_ptr<Interest> caller(new Interest(until), [this, key](const Interest* interest) {
    forget(key);
    delete interest;
  });
  const std::lock_guard lock(mutex_);
  waiting_.insert_or_assign(key, caller);
  return caller;
}

// A pointer locked here may become the last copy, and destroying that needs the mutex: it outlives the lock.
void Callers::gone(const std::shared_ptr<ipc::Channel>& front, std::uint64_t call) {
  std::shared_ptr<Interest> caller;
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find({front, call});
  if (found != waiting_.end()) caller = found->second.lock();
  if (caller) caller->give_up();
}

void Callers::all_gone(const std::shared_ptr<ipc::Channel>& front) {
  std::vector<std::shared_ptr<Interest>> callers;
  const std::lock_guard lock(mutex_);
  // Reserve first: if memory ran out later, the last copy would be destroyed under the lock.
  callers.reserve(waiting_.size());
  for (auto at = waiting_.lower_bound({front, 0}); at != waiting_.end() && at->first.first == front; ++at)
    if (auto caller = at->second.lock()) callers.push_back(std::move(caller));
  for (const auto& caller : callers) caller->give_up();
}

void Callers::forget(const Call& call) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(call);
}

}  // namespace coprotect::agent
