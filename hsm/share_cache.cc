#include "hsm/share_cache.h"

#include <new>
#include <utility>

#include "protocol/crypto/hash.h"

namespace coprotect::hsm {
namespace {

// Longer than a working token takes. A token that does not answer must block one thread, not all that want
// the share.
constexpr std::chrono::seconds kPatience{5};

// Waiting calls must get an answer, even if no more memory can be locked.
Result<protocol::Scalar> outcome_of(const ShareCache::Unwrap& unwrap) {
  try {
    return unwrap();
  } catch (const std::bad_alloc&) {
    return Error(Code::unavailable, "no more memory can be locked");
  }
}

}  // namespace

Result<ShareCache::SharedShare> ShareCache::get(const ShareId& id, ByteView record, const Unwrap& unwrap) {
  const Key key = key_of(id);
  const Digest digest = protocol::sha256(record);
  std::unique_lock lock(mutex_);
  if (const auto found = entries_.find(key); found != entries_.end() && found->second->record == digest) {
    const std::shared_ptr<Entry> entry = found->second;
    if (!unwrapped_.wait_for(lock, kPatience, [&] { return entry->outcome.has_value(); }))
      return Error(Code::unavailable, "the token does not answer the call that unwraps the share");
    entry->last_used = Clock::now();
    return *entry->outcome;
  }
  const auto entry =
      std::make_shared<Entry>(Entry{.record = digest, .outcome = std::nullopt, .last_used = {}});
  entries_[key] = entry;

  lock.unlock();
  auto share = outcome_of(unwrap);
  lock.lock();

  if (share)
    entry->outcome = std::make_shared<const protocol::Scalar>(*std::move(share));
  else
    entry->outcome = std::move(share).error();
  entry->last_used = Clock::now();
  if (!*entry->outcome || hold_ == hold_.zero()) forget(key, entry);
  unwrapped_.notify_all();
  return *entry->outcome;
}

void ShareCache::erase(const EpochId& epoch) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& item) {
    return std::get<protocol::KeyId>(item.first) == epoch.key_id &&
           std::get<std::uint32_t>(item.first) == epoch.epoch;
  });
}

void ShareCache::sweep() {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& item) {
    return item.second->outcome.has_value() && now - item.second->last_used > hold_;
  });
}

// Removes the entry, unless another one has replaced it.
void ShareCache::forget(const Key& key, const std::shared_ptr<Entry>& entry) {
  if (const auto found = entries_.find(key); found != entries_.end() && found->second == entry)
    entries_.erase(found);
}

}  // namespace coprotect::hsm
