#include "client/provider/encapsulation.h"

#include <algorithm>
#include <array>

#include "client/provider/envelope_key.h"

namespace coprotect::provider {
namespace {

const EnvelopeKey& envelope_key(void* keydata) {
  return *static_cast<const EnvelopeKey*>(keydata);
}

// One operation with a key.
struct Kem {
  explicit Kem(Context& its_context) : context(&its_context) {}
  Context* context;
  std::shared_ptr<const keyclient::Key> key = nullptr;
};

Kem& kem_of(void* context) {
  return *static_cast<Kem*>(context);
}

void* new_kem(void* provider) {
  auto& context = *static_cast<Context*>(provider);
  return guarded<void*>(context, nullptr, [&]() -> Result<void*> { return new Kem(context); });
}

void free_kem(void* context) {
  delete static_cast<Kem*>(context);
}

void* duplicate_kem(void* context) {
  const Kem& kem = kem_of(context);
  return guarded<void*>(*kem.context, nullptr, [&]() -> Result<void*> { return new Kem(kem); });
}

int init_encapsulate(void* context, void* keydata, const OSSL_PARAM /*params*/[]) {
  kem_of(context).key = envelope_key(keydata).key;
  return 1;
}

int init_decapsulate(void* context, void* keydata, const OSSL_PARAM /*params*/[]) {
  Kem& kem = kem_of(context);
  return succeeds(*kem.context, [&]() -> Status {
    if (!envelope_key(keydata).is_private)
      return Error(Code::malformed, "the public half of a key does not decapsulate");
    kem.key = envelope_key(keydata).key;
    return Done{};
  });
}

// `*size` is the room at `into`, and then the number of bytes written.
Status give(ByteView bytes, unsigned char* into, std::size_t* size) {
  if (*size < bytes.size()) return Error(Code::malformed, "no room for what is asked for");
  std::copy(bytes.begin(), bytes.end(), into);
  *size = bytes.size();
  return Done{};
}

int encapsulate(void* context, unsigned char* out, std::size_t* size, unsigned char* secret,
                std::size_t* secret_size) {
  const Kem& kem = kem_of(context);
  return succeeds(*kem.context, [&]() -> Status {
    if (out == nullptr) {
      if (size != nullptr) *size = keyclient::encapsulation_size(kem.key->suite);
      if (secret_size != nullptr) *secret_size = keyclient::kEncapsulatedSecretSize;
      return Done{};
    }
    if (size == nullptr || secret == nullptr || secret_size == nullptr)
      return Error(Code::malformed, "an encapsulation is two things");
    const auto made = kem.context->client().encapsulate(*kem.key);
    if (!made) return made.error();
    if (auto given = give(made->bytes, out, size); !given) return given;
    return give(made->secret.reveal(), secret, secret_size);
  });
}

int decapsulate(void* context, unsigned char* secret, std::size_t* secret_size, const unsigned char* in,
                std::size_t size) {
  const Kem& kem = kem_of(context);
  return succeeds(*kem.context, [&]() -> Status {
    if (secret == nullptr) {
      *secret_size = keyclient::kEncapsulatedSecretSize;
      return Done{};
    }
    const auto opened = kem.context->client().decapsulate(*kem.key, {in, size});
    if (!opened) return opened.error();
    return give(opened->reveal(), secret, secret_size);
  });
}

}  // namespace

const OSSL_DISPATCH* envelope_kem() {
  static const std::array functions = {
      entry<OSSL_FUNC_kem_newctx_fn>(OSSL_FUNC_KEM_NEWCTX, new_kem),
      entry<OSSL_FUNC_kem_freectx_fn>(OSSL_FUNC_KEM_FREECTX, free_kem),
      entry<OSSL_FUNC_kem_dupctx_fn>(OSSL_FUNC_KEM_DUPCTX, duplicate_kem),
      entry<OSSL_FUNC_kem_encapsulate_init_fn>(OSSL_FUNC_KEM_ENCAPSULATE_INIT, init_encapsulate),
      entry<OSSL_FUNC_kem_encapsulate_fn>(OSSL_FUNC_KEM_ENCAPSULATE, encapsulate),
      entry<OSSL_FUNC_kem_decapsulate_init_fn>(OSSL_FUNC_KEM_DECAPSULATE_INIT, init_decapsulate),
      entry<OSSL_FUNC_kem_decapsulate_fn>(OSSL_FUNC_KEM_DECAPSULATE, decapsulate),
      OSSL_DISPATCH{0, nullptr},
  };
  return functions.data();
}

}  // namespace coprotect::provider
