#pragma once

#include <vector>

#include "client/provider/context.h"
#include "client/provider/uri.h"

namespace coprotect::provider {

// The objects behind a URI, in sequence: for each key its private half (which represents the whole), its
// public half, and its certificate if it has one.
class Loader {
 public:
  // OpenSSL's passphrase callback and its argument.
  struct Prompt {
    OSSL_PASSPHRASE_CALLBACK* ask;
    void* argument;
  };

  // Asks the helper for the keys. Code::not_found if the URI names one that is not configured.
  static Result<Loader> open(Context& context, std::string_view uri);

  Context& context() const { return *context_; }
  // From now on only objects of this type (OSSL_STORE_INFO_…). 0: of any type.
  void expect(int type) { expected_ = type; }
  bool at_end();
  // Passes the next object to OpenSSL. Asks for the passphrase of the client's key if the object needs it.
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
