#pragma once

#include <vector>

#include "client/provider/context.h"
#include "client/provider/uri.h"

namespace coprotect::provider {

// The objects behind a URI, one after the other: of each key its private half (which stands for the whole),
// its public half, and its certificate if it has one.
class Loader {
 public:
  // What OpenSSL calls its passphrase callback for.
  struct Prompt {
    OSSL_PASSPHRASE_CALLBACK* ask;
    void* argument;
  };

  // Asks the helper for the keys. Code::not_found if the URI names one that is not configured.
  static Result<Loader> open(Context& context, std::string_view uri);

  Context& context() const { return *context_; }
  // Only objects of this type (OSSL_STORE_INFO_…) from now on; 0: of any.
  void expect(int type) { expected_ = type; }
  bool at_end();
  // Hands the next object to OpenSSL. If the passphrase of the client's key is needed for it, asks for that.
  Status load(OSSL_CALLBACK* callback, void* argument, const Prompt& prompt);

 private:
  struct Item {
    int type;  // OSSL_STORE_INFO_…
    std::shared_ptr<const keyclient::Key> key;
    Bytes certificate;
  };

  explicit Loader(Context& context) : context_(&context) {}
  Status add(keyclient::Key key);
  Status log_in(const keyclient::Key& key, const Prompt& prompt);
  void introduce_keys(OSSL_CALLBACK* callback, void* argument);
  template <typename T>
  Status give_key(const Item& item, std::string type_name, OSSL_CALLBACK* callback, void* argument);
  Status give_certificate(Item& item, OSSL_CALLBACK* callback, void* argument);

  Context* context_;
  std::vector<Item> items_;
  std::size_t next_ = 0;
  int expected_ = 0;
  bool logged_in_ = false;
};

}  // namespace coprotect::provider
