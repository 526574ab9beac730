#include "client/provider/key_exchange.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <array>

#include "client/provider/exchange.h"

namespace coprotect::provider {
namespace {

Exchange& exchange_of(void* context) {
  return *static_cast<Exchange*>(context);
}

template <Kind kind>
void* new_exchange(void* provider) {
  auto& context = *static_cast<Context*>(provider);
  return guarded<void*>(context, nullptr, [&]() -> Result<void*> { return new Exchange(context, kind); });
}

void free_exchange(void* context) {
  delete static_cast<Exchange*>(context);
}

void* duplicate(void* context) {
  const Exchange& exchange = exchange_of(context);
  return guarded<void*>(exchange.context(), nullptr,
                        [&]() -> Result<void*> { return new Exchange(exchange); });
}

int init(void* context, void* key, const OSSL_PARAM params[]) {
  Exchange& exchange = exchange_of(context);
  return succeeds(exchange.context(), [&]() -> Status {
    if (auto begun = exchange.begin(*static_cast<const KeyObject*>(key)); !begun) return begun;
    return exchange.set(params);
  });
}

int set_peer(void* context, void* key) {
  Exchange& exchange = exchange_of(context);
  return succeeds(exchange.context(), [&] { return exchange.set_peer(*static_cast<const KeyObject*>(key)); });
}

int derive(void* context, unsigned char* secret, std::size_t* size, std::size_t room) {
  const Exchange& exchange = exchange_of(context);
  return succeeds(exchange.context(), [&]() -> Status {
    const auto derived = secret == nullptr ? exchange.size() : exchange.derive({secret, room});
    if (!derived) return derived.error();
    *size = *derived;
    return Done{};
  });
}

int set_params(void* context, const OSSL_PARAM params[]) {
  Exchange& exchange = exchange_of(context);
  return succeeds(exchange.context(), [&] { return exchange.set(params); });
}

int get_params(void* context, OSSL_PARAM params[]) {
  const Exchange& exchange = exchange_of(context);
  return succeeds(exchange.context(), [&] { return exchange.get(params); });
}

const OSSL_PARAM kEcSettable[] = {OSSL_PARAM_int(OSSL_EXCHANGE_PARAM_EC_ECDH_COFACTOR_MODE, nullptr),
                                  OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, nullptr, 0),
                                  OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, nullptr, 0),
                                  OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST_PROPS, nullptr, 0),
                                  OSSL_PARAM_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, nullptr),
                                  OSSL_PARAM_octet_string(OSSL_EXCHANGE_PARAM_KDF_UKM, nullptr, 0),
                                  OSSL_PARAM_END};
const OSSL_PARAM kEcGettable[] = {OSSL_PARAM_int(OSSL_EXCHANGE_PARAM_EC_ECDH_COFACTOR_MODE, nullptr),
                                  OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, nullptr, 0),
                                  OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_DIGEST, nullptr, 0),
                                  OSSL_PARAM_size_t(OSSL_EXCHANGE_PARAM_KDF_OUTLEN, nullptr),
                                  OSSL_PARAM_octet_ptr(OSSL_EXCHANGE_PARAM_KDF_UKM, nullptr, 0),
                                  OSSL_PARAM_END};
const OSSL_PARAM kDhSettable[] = {OSSL_PARAM_uint(OSSL_EXCHANGE_PARAM_PAD, nullptr),
                                  OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, nullptr, 0),
                                  OSSL_PARAM_END};
const OSSL_PARAM kDhGettable[] = {OSSL_PARAM_utf8_string(OSSL_EXCHANGE_PARAM_KDF_TYPE, nullptr, 0),
                                  OSSL_PARAM_END};

const OSSL_PARAM* ec_settable(void* /*context*/, void* /*provider*/) {
  return kEcSettable;
}
const OSSL_PARAM* ec_gettable(void* /*context*/, void* /*provider*/) {
  return kEcGettable;
}
const OSSL_PARAM* dh_settable(void* /*context*/, void* /*provider*/) {
  return kDhSettable;
}
const OSSL_PARAM* dh_gettable(void* /*context*/, void* /*provider*/) {
  return kDhGettable;
}

// The functions that differ between the kinds.
struct OfKind {
  OSSL_FUNC_keyexch_newctx_fn* make;
  OSSL_FUNC_keyexch_settable_ctx_params_fn* settable;
  OSSL_FUNC_keyexch_gettable_ctx_params_fn* gettable;
};

using Table = std::array<OSSL_DISPATCH, 11>;

Table table(const OfKind& of_kind) {
  return {
      entry<OSSL_FUNC_keyexch_newctx_fn>(OSSL_FUNC_KEYEXCH_NEWCTX, of_kind.make),
      entry<OSSL_FUNC_keyexch_freectx_fn>(OSSL_FUNC_KEYEXCH_FREECTX, free_exchange),
      entry<OSSL_FUNC_keyexch_dupctx_fn>(OSSL_FUNC_KEYEXCH_DUPCTX, duplicate),
      entry<OSSL_FUNC_keyexch_init_fn>(OSSL_FUNC_KEYEXCH_INIT, init),
      entry<OSSL_FUNC_keyexch_set_peer_fn>(OSSL_FUNC_KEYEXCH_SET_PEER, set_peer),
      entry<OSSL_FUNC_keyexch_derive_fn>(OSSL_FUNC_KEYEXCH_DERIVE, derive),
      entry<OSSL_FUNC_keyexch_set_ctx_params_fn>(OSSL_FUNC_KEYEXCH_SET_CTX_PARAMS, set_params),
      entry<OSSL_FUNC_keyexch_settable_ctx_params_fn>(OSSL_FUNC_KEYEXCH_SETTABLE_CTX_PARAMS,
                                                      of_kind.settable),
      entry<OSSL_FUNC_keyexch_get_ctx_params_fn>(OSSL_FUNC_KEYEXCH_GET_CTX_PARAMS, get_params),
      entry<OSSL_FUNC_keyexch_gettable_ctx_params_fn>(OSSL_FUNC_KEYEXCH_GETTABLE_CTX_PARAMS,
                                                      of_kind.gettable),
      OSSL_DISPATCH{0, nullptr},
  };
}

}  // namespace

const OSSL_DISPATCH* ecdh_exchange() {
  static const Table functions =
      table({.make = new_exchange<Kind::ec>, .settable = ec_settable, .gettable = ec_gettable});
  return functions.data();
}

const OSSL_DISPATCH* dh_exchange() {
  static const Table functions =
      table({.make = new_exchange<Kind::dh>, .settable = dh_settable, .gettable = dh_gettable});
  return functions.data();
}

}  // namespace coprotect::provider
