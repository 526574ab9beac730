#include "client/provider/store.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <array>

#include "client/provider/loader.h"
#include "client/provider/params.h"

namespace coprotect::provider {
namespace {

Loader& loader_of(void* context) {
  return *static_cast<Loader*>(context);
}

void* open(void* provider, const char* uri) {
  auto& context = *static_cast<Context*>(provider);
  return guarded<void*>(context, nullptr, [&]() -> Result<void*> {
    auto loader = Loader::open(context, uri);
    if (!loader) return std::move(loader).error();
    return new Loader(*std::move(loader));
  });
}

const OSSL_PARAM* settable(void* /*provider*/) {
  static const OSSL_PARAM known[] = {OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, nullptr), OSSL_PARAM_END};
  return known;
}

int set_params(void* context, const OSSL_PARAM params[]) {
  if (const auto type = int_param(params, OSSL_STORE_PARAM_EXPECT)) loader_of(context).expect(*type);
  return 1;
}

int load(void* context, OSSL_CALLBACK* callback, void* argument, OSSL_PASSPHRASE_CALLBACK* ask,
         void* ask_argument) {
  Loader& loader = loader_of(context);
  return succeeds(loader.context(),
                  [&] { return loader.load(callback, argument, {.ask = ask, .argument = ask_argument}); });
}

int at_end(void* context) {
  return loader_of(context).at_end() ? 1 : 0;
}

int close(void* context) {
  delete static_cast<Loader*>(context);
  return 1;
}

}  // namespace

const OSSL_DISPATCH* key_store() {
  static const std::array functions = {
      entry<OSSL_FUNC_store_open_fn>(OSSL_FUNC_STORE_OPEN, open),
      entry<OSSL_FUNC_store_settable_ctx_params_fn>(OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, settable),
      entry<OSSL_FUNC_store_set_ctx_params_fn>(OSSL_FUNC_STORE_SET_CTX_PARAMS, set_params),
      entry<OSSL_FUNC_store_load_fn>(OSSL_FUNC_STORE_LOAD, load),
      entry<OSSL_FUNC_store_eof_fn>(OSSL_FUNC_STORE_EOF, at_end),
      entry<OSSL_FUNC_store_close_fn>(OSSL_FUNC_STORE_CLOSE, close),
      OSSL_DISPATCH{0, nullptr},
  };
  return functions.data();
}

}  // namespace coprotect::provider
