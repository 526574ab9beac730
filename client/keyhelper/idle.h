#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "client/keyclient/message.h"

namespace coprotect::keyhelper {

// Idle connections to the agents of some keys. One caller at a time uses a connection, through a `T`. Safe
// from several threads.
template <typename T>
class Idle {
 public:
  // A connection, and the login in which it was made. Null if there is none.
  struct Taken {
    std::unique_ptr<T> connection;
    std::uint64_t login;
  };

  Taken take(const keyclient::KeyId& key_id) {
    const std::lock_guard lock(mutex_);
    auto& of_key = idle_[key_id];
    Taken taken{.connection = nullptr, .login = login_};
    if (!of_key.empty()) {
      taken.connection = std::move(of_key.back());
      of_key.pop_back();
    }
    return taken;
  }
  void give_back(const keyclient::KeyId& key_id, Taken taken) {
    const std::lock_guard lock(mutex_);
    auto& of_key = idle_[key_id];
    if (taken.login == login_ && of_key.size() < kMaxIdle) of_key.push_back(std::move(taken.connection));
  }
  // Drops all connections, and those in use when they are returned: their login has ended.
  void drop() {
    const std::lock_guard lock(mutex_);
    idle_.clear();
    ++login_;
  }

 private:
  static constexpr std::size_t kMaxIdle = 64;

  std::mutex mutex_;
  std::map<keyclient::KeyId, std::vector<std::unique_ptr<T>>> idle_;
  std::uint64_t login_ = 0;
};

}  // namespace coprotect::keyhelper
