#include "client/provider/envelope_key.h"

#include <openssl/core_names.h>

#include <array>
#include <utility>

#include "client/provider/params.h"
#include "client/provider/public_value.h"

namespace coprotect::provider {
namespace {

const EnvelopeKey* key_of(const void* keydata) {
  return static_cast<const EnvelopeKey*>(keydata);
}

void free_key(void* keydata) {
  delete key_of(keydata);
}

// Takes ownership of the loader's object (loader.cc).
void* load_key(const void* reference, std::size_t size) {
  if (reference == nullptr || size != sizeof(EnvelopeKey*)) return nullptr;
  return std::exchange(*static_cast<EnvelopeKey**>(const_cast<void*>(reference)), nullptr);
}

int has(const void* keydata, int selection) {
  const bool asks_for_private = (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
  return keydata != nullptr && (key_of(keydata)->is_private || !asks_for_private) ? 1 : 0;
}

int match(const void* one, const void* other, int /*selection*/) {
  return one != nullptr && other != nullptr && key_of(one)->key->key_id == key_of(other)->key->key_id ? 1 : 0;
}

void* duplicate(const void* keydata, int selection) {
  const EnvelopeKey& key = *key_of(keydata);
  const bool with_private_half = key.is_private && (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0;
  return guarded<void*>(*key.context, nullptr, [&]() -> Result<void*> {
    return new EnvelopeKey(*key.context, key.key, with_private_half);
  });
}

const OSSL_PARAM* gettable(void* /*provider*/) {
  static const OSSL_PARAM known[] = {
      OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr), OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
      OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
      OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, nullptr, 0), OSSL_PARAM_END};
  return known;
}

int get_params(void* keydata, OSSL_PARAM params[]) {
  const EnvelopeKey& key = *key_of(keydata);
  return succeeds(*key.context, [&] {
    const keyclient::Suite suite = key.key->suite;
    ParamAnswer answer(params);
    answer.set_int(OSSL_PKEY_PARAM_BITS, static_cast<int>(keyclient::shared_secret_size(suite)) * 8);
    answer.set_int(OSSL_PKEY_PARAM_SECURITY_BITS, security_bits(keyclient::shared_secret_size(suite)));
    answer.set_int(OSSL_PKEY_PARAM_MAX_SIZE, static_cast<int>(keyclient::encapsulation_size(suite)));
    answer.set_bytes(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, key.key->public_key);
    return answer.status();
  });
}

}  // namespace

const OSSL_DISPATCH* envelope_key_management() {
  static const std::array functions = {
      entry<OSSL_FUNC_keymgmt_free_fn>(OSSL_FUNC_KEYMGMT_FREE, free_key),
      entry<OSSL_FUNC_keymgmt_load_fn>(OSSL_FUNC_KEYMGMT_LOAD, load_key),
      entry<OSSL_FUNC_keymgmt_has_fn>(OSSL_FUNC_KEYMGMT_HAS, has),
      entry<OSSL_FUNC_keymgmt_match_fn>(OSSL_FUNC_KEYMGMT_MATCH, match),
      entry<OSSL_FUNC_keymgmt_dup_fn>(OSSL_FUNC_KEYMGMT_DUP, duplicate),
      entry<OSSL_FUNC_keymgmt_get_params_fn>(OSSL_FUNC_KEYMGMT_GET_PARAMS, get_params),
      entry<OSSL_FUNC_keymgmt_gettable_params_fn>(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable),
      OSSL_DISPATCH{0, nullptr},
  };
  return functions.data();
}

}  // namespace coprotect::provider
