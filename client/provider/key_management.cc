#include "client/provider/key_management.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <array>
#include <utility>

#include "client/provider/key_exchange.h"
#include "client/provider/key_object.h"
#include "client/provider/params.h"

namespace coprotect::provider {
namespace {

KeyObject* key_of(void* keydata) {
  return static_cast<KeyObject*>(keydata);
}
const KeyObject* key_of(const void* keydata) {
  return static_cast<const KeyObject*>(keydata);
}

template <Kind kind>
void* new_key(void* provider) {
  auto& context = *static_cast<Context*>(provider);
  return guarded<void*>(context, nullptr, [&]() -> Result<void*> { return new KeyObject(context, kind); });
}

void free_key(void* keydata) {
  delete key_of(keydata);
}

// Takes ownership of the loader's object (loader.cc).
void* load_key(const void* reference, std::size_t size) {
  if (reference == nullptr || size != sizeof(KeyObject*)) return nullptr;
  auto* const place = static_cast<KeyObject**>(const_cast<void*>(reference));
  return std::exchange(*place, nullptr);
}

// OpenSSL also asks about keys that are still empty.
int has(const void* keydata, int selection) {
  return keydata != nullptr && key_of(keydata)->has(selection) ? 1 : 0;
}

int match(const void* one, const void* other, int selection) {
  return one != nullptr && other != nullptr && key_of(one)->matches(*key_of(other), selection) ? 1 : 0;
}

// An invalid group or public value is never accepted in the first place.
int validate(const void* keydata, int selection, int /*how*/) {
  return has(keydata, selection);
}

int get_params(void* keydata, OSSL_PARAM params[]) {
  const KeyObject& key = *key_of(keydata);
  return succeeds(*key.context, [&] { return key.get(params); });
}

int set_params(void* keydata, const OSSL_PARAM params[]) {
  KeyObject& key = *key_of(keydata);
  return succeeds(*key.context, [&]() -> Status {
    const auto encoded = bytes_param(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);
    return encoded ? key.set_value(*encoded) : Done{};
  });
}

int import_key(void* keydata, int selection, const OSSL_PARAM params[]) {
  KeyObject& key = *key_of(keydata);
  return succeeds(*key.context, [&] { return key.import(selection, params); });
}

int export_key(void* keydata, int selection, OSSL_CALLBACK* callback, void* argument) {
  const KeyObject& key = *key_of(keydata);
  return succeeds(*key.context, [&] { return key.give(selection, callback, argument); });
}

void* duplicate(const void* keydata, int selection) {
  const KeyObject& key = *key_of(keydata);
  return guarded<void*>(*key.context, nullptr,
                        [&]() -> Result<void*> { return new KeyObject(key.part(selection)); });
}

const char* ec_operation(int operation) {
  return operation == OSSL_OP_KEYEXCH ? kEcdhName : nullptr;
}
const char* dh_operation(int operation) {
  return operation == OSSL_OP_KEYEXCH ? kDhName : nullptr;
}

const OSSL_PARAM kSettable[] = {OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, nullptr, 0),
                                OSSL_PARAM_END};
const OSSL_PARAM kEcExchanged[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
                                   OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
                                   OSSL_PARAM_END};
const OSSL_PARAM kDhExchanged[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
                                   OSSL_PARAM_BN(OSSL_PKEY_PARAM_FFC_P, nullptr, 0),
                                   OSSL_PARAM_BN(OSSL_PKEY_PARAM_FFC_G, nullptr, 0),
                                   OSSL_PARAM_BN(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0), OSSL_PARAM_END};
const OSSL_PARAM kEcGettable[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr),
                                  OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
                                  OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
                                  OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
                                  OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, nullptr, 0),
                                  OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, nullptr, 0),
                                  OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
                                  OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_X, nullptr, 0),
                                  OSSL_PARAM_BN(OSSL_PKEY_PARAM_EC_PUB_Y, nullptr, 0),
                                  OSSL_PARAM_END};
const OSSL_PARAM kDhGettable[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, nullptr),
                                  OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, nullptr),
                                  OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, nullptr),
                                  OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, nullptr, 0),
                                  OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, nullptr, 0),
                                  OSSL_PARAM_BN(OSSL_PKEY_PARAM_PUB_KEY, nullptr, 0),
                                  OSSL_PARAM_BN(OSSL_PKEY_PARAM_FFC_P, nullptr, 0),
                                  OSSL_PARAM_BN(OSSL_PKEY_PARAM_FFC_G, nullptr, 0),
                                  OSSL_PARAM_END};

const OSSL_PARAM* settable(void* /*provider*/) {
  return kSettable;
}
const OSSL_PARAM* ec_gettable(void* /*provider*/) {
  return kEcGettable;
}
const OSSL_PARAM* dh_gettable(void* /*provider*/) {
  return kDhGettable;
}
const OSSL_PARAM* ec_exchanged(int /*selection*/) {
  return kEcExchanged;
}
const OSSL_PARAM* dh_exchanged(int /*selection*/) {
  return kDhExchanged;
}

// The functions that differ between the kinds.
struct OfKind {
  OSSL_FUNC_keymgmt_new_fn* make;
  OSSL_FUNC_keymgmt_gettable_params_fn* gettable;
  OSSL_FUNC_keymgmt_import_types_fn* exchanged;
  OSSL_FUNC_keymgmt_query_operation_name_fn* operation;
};

using Table = std::array<OSSL_DISPATCH, 17>;

Table table(const OfKind& of_kind) {
  return {
      entry<OSSL_FUNC_keymgmt_new_fn>(OSSL_FUNC_KEYMGMT_NEW, of_kind.make),
      entry<OSSL_FUNC_keymgmt_free_fn>(OSSL_FUNC_KEYMGMT_FREE, free_key),
      entry<OSSL_FUNC_keymgmt_load_fn>(OSSL_FUNC_KEYMGMT_LOAD, load_key),
      entry<OSSL_FUNC_keymgmt_has_fn>(OSSL_FUNC_KEYMGMT_HAS, has),
      entry<OSSL_FUNC_keymgmt_match_fn>(OSSL_FUNC_KEYMGMT_MATCH, match),
      entry<OSSL_FUNC_keymgmt_validate_fn>(OSSL_FUNC_KEYMGMT_VALIDATE, validate),
      entry<OSSL_FUNC_keymgmt_get_params_fn>(OSSL_FUNC_KEYMGMT_GET_PARAMS, get_params),
      entry<OSSL_FUNC_keymgmt_gettable_params_fn>(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, of_kind.gettable),
      entry<OSSL_FUNC_keymgmt_set_params_fn>(OSSL_FUNC_KEYMGMT_SET_PARAMS, set_params),
      entry<OSSL_FUNC_keymgmt_settable_params_fn>(OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, settable),
      entry<OSSL_FUNC_keymgmt_import_fn>(OSSL_FUNC_KEYMGMT_IMPORT, import_key),
      entry<OSSL_FUNC_keymgmt_import_types_fn>(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, of_kind.exchanged),
      entry<OSSL_FUNC_keymgmt_export_fn>(OSSL_FUNC_KEYMGMT_EXPORT, export_key),
      entry<OSSL_FUNC_keymgmt_export_types_fn>(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, of_kind.exchanged),
      entry<OSSL_FUNC_keymgmt_dup_fn>(OSSL_FUNC_KEYMGMT_DUP, duplicate),
      entry<OSSL_FUNC_keymgmt_query_operation_name_fn>(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME,
                                                       of_kind.operation),
      OSSL_DISPATCH{0, nullptr},
  };
}

}  // namespace

const OSSL_DISPATCH* ec_key_management() {
  static const Table functions = table({.make = new_key<Kind::ec>,
                                        .gettable = ec_gettable,
                                        .exchanged = ec_exchanged,
                                        .operation = ec_operation});
  return functions.data();
}

const OSSL_DISPATCH* dh_key_management() {
  static const Table functions = table({.make = new_key<Kind::dh>,
                                        .gettable = dh_gettable,
                                        .exchanged = dh_exchanged,
                                        .operation = dh_operation});
  return functions.data();
}

}  // namespace coprotect::provider
