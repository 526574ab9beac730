// coprotect.so, a provider for OpenSSL 3: what it offers, and the entry point that OpenSSL calls.

#include <openssl/core_names.h>
#include <openssl/params.h>

#include "client/provider/context.h"
#include "client/provider/encapsulation.h"
#include "client/provider/envelope_key.h"
#include "client/provider/key_exchange.h"
#include "client/provider/key_management.h"
#include "client/provider/store.h"

namespace coprotect::provider {
namespace {

constexpr const char* kProperties = "provider=coprotect";
// The names of OpenSSL's own provider: to a program, a key's type does not depend on the provider.
constexpr const char* kEcNames = "EC:id-ecPublicKey:1.2.840.10045.2.1";
constexpr const char* kDhNames = "DH:dhKeyAgreement:1.2.840.113549.1.3.1";
constexpr OSSL_ALGORITHM kNone = {nullptr, nullptr, nullptr, nullptr};

const OSSL_ALGORITHM* query(void* provider, int operation, int* no_cache) {
  static const OSSL_ALGORITHM key_management[] = {
      {kEcNames, kProperties, ec_key_management(), "joint EC keys"},
      {kDhNames, kProperties, dh_key_management(), "joint DH keys"},
      {kEnvelopeName, kProperties, envelope_key_management(), "joint keys for files"},
      kNone};
  static const OSSL_ALGORITHM key_exchange[] = {
      {kEcdhName, kProperties, ecdh_exchange(), "ECDH with a joint key"},
      {kDhName, kProperties, dh_exchange(), "DH with a joint key"},
      kNone};
  static const OSSL_ALGORITHM kems[] = {
      {kEnvelopeName, kProperties, envelope_kem(), "secrets for whoever may use a joint key"}, kNone};
  static const OSSL_ALGORITHM stores[] = {
      {"coprotect", kProperties, key_store(), "the joint keys of the client's configuration"}, kNone};
  *no_cache = 0;
  switch (operation) {
    case OSSL_OP_KEYMGMT:
      if (static_cast<const Context*>(provider)->offers_keys()) return key_management;
      *no_cache = 1;  // ask again next time
      return nullptr;
    case OSSL_OP_KEYEXCH:
      return key_exchange;
    case OSSL_OP_KEM:
      return kems;
    case OSSL_OP_STORE:
      return stores;
    default:
      return nullptr;
  }
}

const OSSL_PARAM* gettable(void* /*provider*/) {
  static const OSSL_PARAM known[] = {OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, nullptr, 0),
                                     OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, nullptr, 0),
                                     OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, nullptr, 0),
                                     OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, nullptr), OSSL_PARAM_END};
  return known;
}

bool set_text(OSSL_PARAM params[], const char* name, const char* value) {
  OSSL_PARAM* const wanted = OSSL_PARAM_locate(params, name);
  return wanted == nullptr || OSSL_PARAM_set_utf8_ptr(wanted, value) == 1;
}

int get_params(void* /*provider*/, OSSL_PARAM params[]) {
  OSSL_PARAM* const status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
  return set_text(params, OSSL_PROV_PARAM_NAME, "CoProtect joint keys") &&
                 set_text(params, OSSL_PROV_PARAM_VERSION, COPROTECT_VERSION) &&
                 set_text(params, OSSL_PROV_PARAM_BUILDINFO, COPROTECT_VERSION) &&
                 (status == nullptr || OSSL_PARAM_set_int(status, 1) == 1)
             ? 1
             : 0;
}

const OSSL_ITEM* reasons(void* /*provider*/) {
  return Context::reasons();
}

void tear_down(void* provider) {
  delete static_cast<Context*>(provider);
}

}  // namespace
}  // namespace coprotect::provider

extern "C" __attribute__((visibility("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE* handle,
                                                                         const OSSL_DISPATCH* offered,
                                                                         const OSSL_DISPATCH** functions,
                                                                         void** provider) noexcept try {
  using namespace coprotect::provider;
  static const OSSL_DISPATCH of_provider[] = {
      entry<OSSL_FUNC_provider_teardown_fn>(OSSL_FUNC_PROVIDER_TEARDOWN, tear_down),
      entry<OSSL_FUNC_provider_gettable_params_fn>(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, gettable),
      entry<OSSL_FUNC_provider_get_params_fn>(OSSL_FUNC_PROVIDER_GET_PARAMS, get_params),
      entry<OSSL_FUNC_provider_query_operation_fn>(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
      entry<OSSL_FUNC_provider_get_reason_strings_fn>(OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, reasons),
      {0, nullptr},
  };
  auto context = Context::make(handle, offered);
  if (context == nullptr) return 0;
  *functions = of_provider;
  *provider = context.release();
  return 1;
} catch (...) {
  return 0;
}
