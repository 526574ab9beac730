#include "hsm/tpm2/backend.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "hsm/helper/message.h"
#include "hsm/helper/pin.h"
#include "hsm/token_label.h"
#include "hsm/tpm2/root.h"
#include "hsm/tpm2/storage_key.h"
#include "protocol/base/random.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::hsm::tpm2 {
namespace {

Secret without_zeros_at_end(const Secret& value) {
  ByteView kept = value.reveal();
  while (!kept.empty() && kept.back() == 0) kept = kept.first(kept.size() - 1);
  return Secret::copy_of(kept);
}

// An authorisation value is at most as long as a digest of the object's name algorithm, and the TPM strips
// zeros from its end. So a PIN of any length is hashed, and the zeros are stripped here.
Secret auth_value_of(const Secret& pin) {
  return without_zeros_at_end(
      protocol::hkdf_sha256({}, pin.reveal(), bytes_of("CPV1-TPM-PIN"), sizeof(Digest)));
}

// "CPTN" | version u8 = 1 | the root's id 16 | SealedBlob of the first half of its key
constexpr std::string_view kRootMagic = "CPTN";
constexpr std::uint8_t kRootVersion = 1;

Secret root_auth_of(const Secret& half) {
  return without_zeros_at_end(
      protocol::hkdf_sha256({}, half.reveal(), bytes_of("CPV1-TPM-ROOT-AUTH"), sizeof(Digest)));
}

Secret root_key_of(const Secret& half, const Secret& content) {
  return protocol::hkdf_sha256(content.reveal(), half.reveal(), bytes_of("CPV1-TPM-ROOT"), kWrappingKeySize);
}

class TpmBackend final : public Backend {
 public:
  TpmBackend(std::unique_ptr<Esys> esys, std::optional<PinFile> pin, std::string wanted)
      : pin_(std::move(pin)),
        auth_(pin_ ? auth_value_of(pin_->pin()) : Secret(0)),
        esys_(std::move(esys)),
        wanted_(std::move(wanted)) {}

  Result<std::string> name() override {
    if (!found_.empty()) return found_;
    return with_slots<std::string>([&]() -> Result<std::string> {
      const auto key = storage_key();
      if (!key) return key.error();
      return found_;
    });
  }

  Result<Bytes> seal(const Secret& key) override {
    return with_slots<Bytes>([&] { return try_seal(key); });
  }
  // A root's key has two halves: one that the TPM seals under the PIN like anything else, and the content of
  // an NV index, which can be erased. The first half also yields the authorisation value of the second.
  Result<NewRoot> make_root(const RootId& id) override {
    Secret half(kWrappingKeySize);
    Secret content(kWrappingKeySize);
    system_random().fill(half.fill());
    system_random().fill(content.fill());
    const auto sealed = seal(half);
    if (!sealed) return sealed.error();
    auto defined = with_slots<Done>([&]() -> Status {
      const auto parent = storage_key();
      if (!parent) return parent.error();
      return define_root(*esys_, *parent, id, root_auth_of(half), content);
    });
    if (!defined) return std::move(defined).error();
    Writer writer;
    writer.literal(kRootMagic).u8(kRootVersion).bytes(id).bytes(*sealed);
    return NewRoot{.key = root_key_of(half, content), .sealed = std::move(writer).take()};
  }
  Status destroy_root(const RootId& id) override {
    return with_slots<Done>([&]() -> Status {
      const auto parent = storage_key();
      if (!parent) return parent.error();
      return undefine_root(*esys_, *parent, id);
    });
  }
  Result<Secret> unseal(ByteView sealed) override {
    Reader reader(sealed);
    if (!reader.literal(kRootMagic)) return unseal_key(sealed);
    const bool known = reader.u8() == kRootVersion;
    const auto id = reader.array<sizeof(RootId)>();
    if (!known || !id) return Error(Code::altered, "not a key that a TPM sealed");
    const auto half = unseal_key(reader.rest());
    if (!half) return half.error();
    const auto content = with_slots<Secret>([&]() -> Result<Secret> {
      const auto parent = storage_key();
      if (!parent) return parent.error();
      return read_root(*esys_, *parent, *id, root_auth_of(*half));
    });
    if (!content) return content.error();
    return root_key_of(*half, *content);
  }
  Status probe() override {
    auto named = name();
    if (!named) return std::move(named).error();
    return Done{};
  }
  Status keep_copy(bool) override { return Done{}; }
  std::string notice() override { return {}; }

  const std::optional<PinFile>& pin() const override { return pin_; }

 private:
  Result<Secret> unseal_key(ByteView sealed) {
    const auto blob = SealedBlob::parse(sealed);
    if (!blob) return blob.error();
    return with_slots<Secret>([&] { return try_unseal(*blob); });
  }

  // Without a resource manager all processes share the TPM's few slots. Waits for other processes to free
  // theirs. Halfway through, assumes that a killed process left the remaining ones, and flushes them.
  template <typename T, typename F>
  Result<T> with_slots(F&& attempt) {
    constexpr int kTries = 40;
    constexpr std::chrono::milliseconds kPause{50};
    for (int tries = 1;; ++tries) {
      Result<T> result = attempt();
      if (result || result.error().code() != Code::limited) return result;
      if (tries == kTries) return Error(Code::unavailable, result.error().message());
      if (tries == kTries / 2) flush_all(*esys_);
      std::this_thread::sleep_for(kPause);
    }
  }

  // The storage key of the requested TPM. Anything that passes through a session goes to the TPM that has
  // this key.
  Result<StorageKey> storage_key() {
    auto key = StorageKey::make(*esys_);
    if (!key) return key;
    found_ = "tpm:" + to_hex(key->name());
    if (!wanted_.empty() && found_ != wanted_) return another_token(found_, wanted_);
    return key;
  }

  Result<Bytes> try_seal(const Secret& key) {
    const auto parent = storage_key();
    if (!parent) return parent.error();
    const auto session =
        start_session(*esys_, *parent, TPM2_SE_HMAC, TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT);
    if (!session) return session.error();
    TPM2B_SENSITIVE_CREATE secret{};
    secret.sensitive.userAuth = auth_2b(auth_);
    secret.sensitive.data.size = static_cast<UINT16>(key.size());
    std::copy(key.reveal().begin(), key.reveal().end(), secret.sensitive.data.buffer);
    const TPM2B_PUBLIC area = sealed_area();
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcrs{};
    EsysOwned<TPM2B_PRIVATE> private_area;
    EsysOwned<TPM2B_PUBLIC> public_area;
    auto created =
        check("TPM2_Create", Esys_Create(esys_->get(), parent->handle(), session->handle(), ESYS_TR_NONE,
                                         ESYS_TR_NONE, &secret, &area, &no_data, &no_pcrs, out(private_area),
                                         out(public_area), nullptr, nullptr, nullptr));
    OPENSSL_cleanse(&secret, sizeof secret);
    if (!created) return std::move(created).error();
    const TPM2B_DIGEST& unique = public_area->publicArea.unique.keyedHash;
    SealedBlob blob{.storage_key = parent->name(),
                    .unique = {},
                    .private_area = Bytes(private_area->buffer, private_area->buffer + private_area->size)};
    if (unique.size != blob.unique.size())
      return Error(Code::unavailable, "TPM2_Create: an answer of another kind");
    std::copy_n(unique.buffer, unique.size, blob.unique.begin());
    return blob.encode();
  }

  Result<Secret> try_unseal(const SealedBlob& blob) {
    const auto parent = storage_key();
    if (!parent) return parent.error();
    if (parent->name() != blob.storage_key)
      return Error(Code::altered, "the key was sealed by another TPM, or the TPM was cleared since");
    const auto object = load(*parent, blob);
    if (!object) return object.error();
    const auto session = start_session(*esys_, *parent, TPM2_SE_POLICY, TPMA_SESSION_ENCRYPT);
    if (!session) return session.error();
    auto policy = check(
        "TPM2_PolicyAuthValue",
        Esys_PolicyAuthValue(esys_->get(), session->handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE));
    if (!policy) return std::move(policy).error();
    EsysOwned<TPM2B_SENSITIVE_DATA> data;
    auto unsealed = check("TPM2_Unseal", Esys_Unseal(esys_->get(), object->handle(), session->handle(),
                                                     ESYS_TR_NONE, ESYS_TR_NONE, out(data)));
    if (!unsealed) return std::move(unsealed).error();
    if (data->size != kWrappingKeySize)
      return Error(Code::altered, "the TPM unsealed something that is not a key");
    Secret key = Secret::copy_of({data->buffer, data->size});
    OPENSSL_cleanse(data.get(), sizeof *data);
    return key;
  }

  Result<Transient> load(const StorageKey& parent, const SealedBlob& blob) {
    const auto session =
        start_session(*esys_, parent, TPM2_SE_HMAC, TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT);
    if (!session) return session.error();
    const TPM2B_PRIVATE private_area = blob.private_2b();
    const TPM2B_PUBLIC public_area = blob.public_2b();
    ESYS_TR handle = ESYS_TR_NONE;
    auto loaded = check("TPM2_Load", Esys_Load(esys_->get(), parent.handle(), session->handle(), ESYS_TR_NONE,
                                               ESYS_TR_NONE, &private_area, &public_area, &handle));
    // Code::internal: the TPM cannot even read the private area.
    if (!loaded && loaded.error().code() == Code::internal)
      return Error(Code::altered, loaded.error().message());
    if (!loaded) return std::move(loaded).error();
    Transient object(*esys_, handle);
    TPM2B_AUTH auth = auth_2b(auth_);
    auto set = check("Esys_TR_SetAuth", Esys_TR_SetAuth(esys_->get(), handle, &auth));
    OPENSSL_cleanse(&auth, sizeof auth);
    if (!set) return std::move(set).error();
    return object;
  }

  std::optional<PinFile> pin_;
  Secret auth_;  // of sealed objects; empty without a PIN
  std::unique_ptr<Esys> esys_;
  std::string wanted_;  // the TPM's name; empty: any
  std::string found_;   // its name, once it is known
};

}  // namespace

Result<std::unique_ptr<Backend>> open(const WantedToken& wanted) {
  const std::string_view uri = wanted.uri;
  constexpr std::string_view kScheme = "tpm:";
  constexpr std::string_view kPinSource = "?pin-source=";
  const std::string_view rest = uri.substr(kScheme.size());
  const std::size_t query = rest.find('?');
  const std::string tcti(rest.substr(0, query));
  if (tcti.empty()) return Error(Code::malformed, token_label(uri) + ": no TCTI after \"tpm:\"");
  std::optional<PinFile> pin;
  if (query != std::string_view::npos) {
    if (!rest.substr(query).starts_with(kPinSource))
      return Error(Code::malformed, token_label(uri) + ": only pin-source is known after \"?\"");
    auto opened = PinFile::open(rest.substr(query + kPinSource.size()), wanted.refused);
    if (!opened) return std::move(opened).error();
    pin.emplace(*std::move(opened));
  }
  auto esys = Esys::connect(tcti);
  if (!esys) return std::move(esys).error();
  std::unique_ptr<Backend> backend =
      std::make_unique<TpmBackend>(*std::move(esys), std::move(pin), wanted.name);
  return backend;
}

}  // namespace coprotect::hsm::tpm2
