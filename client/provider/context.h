#pragma once

#include <openssl/core_dispatch.h>

#include <atomic>
#include <memory>
#include <new>

#include "client/keyclient/key_client.h"

namespace coprotect::provider {

// The provider in one library context: OpenSSL's functions for it, and the keys. Constructing it starts no
// helper.
class Context {
 public:
  // Null if OpenSSL does not offer a required function.
  static std::unique_ptr<Context> make(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* offered);
  ~Context() { client_.end(); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  keyclient::KeyClient& client() { return client_; }

  // Puts an error on OpenSSL's queue: the reason for its code (reasons()), with its message as data.
  void raise(const Error& error) const;
  // drop_errors() removes the errors queued since mark_errors().
  void mark_errors() const { set_mark_(handle_); }
  void drop_errors() const { pop_to_mark_(handle_); }
  static const OSSL_ITEM* reasons();

  // Whether OpenSSL sees our key types. They have the same names as everyone's, so they stay hidden until the
  // first of our keys is loaded (loader.cc).
  bool offers_keys() const { return offers_keys_; }
  void offer_keys() { offers_keys_ = true; }

 private:
  Context() = default;

  keyclient::KeyClient client_;
  std::atomic<bool> offers_keys_ = false;
  const OSSL_CORE_HANDLE* handle_ = nullptr;
  OSSL_FUNC_core_new_error_fn* new_error_ = nullptr;
  OSSL_FUNC_core_vset_error_fn* vset_error_ = nullptr;
  OSSL_FUNC_core_set_error_mark_fn* set_mark_ = nullptr;
  OSSL_FUNC_core_pop_error_to_mark_fn* pop_to_mark_ = nullptr;
};

// An entry of a dispatch table. `Signature`: OpenSSL's type of this function.
template <typename Signature>
OSSL_DISPATCH entry(int id, Signature* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

// Runs a function that OpenSSL called. No exception reaches the program. An Error is raised, and `failed`
// returned.
template <typename T, typename Function>
T guarded(const Context& context, T failed, Function function) noexcept {
  try {
    Result<T> result = function();
    if (result) return *std::move(result);
    context.raise(result.error());
  } catch (const std::bad_alloc&) {
    context.raise(Error(Code::internal, "no more memory"));
  } catch (...) {
    context.raise(Error(Code::internal, "an exception"));
  }
  return failed;
}

// The same for a function that only succeeds or fails: 1 or 0.
template <typename Function>
int succeeds(const Context& context, Function function) noexcept {
  return guarded<int>(context, 0, [&]() -> Result<int> {
    if (Status status = function(); !status) return std::move(status).error();
    return 1;
  });
}

}  // namespace coprotect::provider
