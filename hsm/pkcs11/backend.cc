#include "hsm/pkcs11/backend.h"

#include <optional>
#include <utility>

#include "hsm/helper/message.h"
#include "hsm/helper/pin.h"
#include "hsm/pkcs11/seal_key.h"
#include "protocol/base/random.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::hsm::pkcs11 {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kCiphertextSize = kWrappingKeySize + 16;

// "CPKB" | version u8 = 1 | sealing key's CKA_ID 16 | nonce 12 | ciphertext 48. All before the ciphertext is
// bound as AAD.
struct SealedBlob {
  SealKeyId key;
  ByteArray<12> nonce;

  Bytes head() const {
    Writer writer;
    writer.literal("CPKB").u8(kVersion).bytes(key).bytes(nonce);
    return std::move(writer).take();
  }
};

class Pkcs11Backend final : public Backend {
 public:
  Pkcs11Backend(std::optional<PinFile> pin, Modules modules, const Slot& slot)
      : pin_(std::move(pin)), modules_(std::move(modules)), slot_(slot) {}

  Result<Bytes> seal(const Secret& key) override {
    const auto session = logged_in();
    if (!session) return session.error();
    const auto seal_key = SealKey::find_or_make(*session);
    if (!seal_key) return seal_key.error();
    SealedBlob blob{.key = seal_key->id(), .nonce = {}};
    system_random().fill(blob.nonce);
    const Bytes head = blob.head();
    const auto ciphertext = seal_key->encrypt(blob.nonce, head, key);
    if (!ciphertext) return ciphertext.error();
    Writer writer;
    writer.bytes(head).bytes(*ciphertext);
    return std::move(writer).take();
  }

  Result<Secret> unseal(ByteView sealed) override {
    Reader reader(sealed);
    const bool magic = reader.literal("CPKB") && reader.u8() == kVersion;
    const auto id = reader.array<16>();
    const auto nonce = reader.array<12>();
    if (!magic || !id || !nonce || reader.size() != kCiphertextSize)
      return Error(Code::altered, "not a key that a PKCS#11 token sealed");
    const auto session = logged_in();
    if (!session) return session.error();
    const auto seal_key = SealKey::find(*session, *id);
    if (!seal_key && seal_key.error().code() == Code::not_found)
      return Error(Code::altered,
                   "the key was sealed by another token, or the token's coprotect-seal key is gone");
    if (!seal_key) return seal_key.error();
    return seal_key->decrypt(*nonce, sealed.first(sealed.size() - kCiphertextSize), reader.rest());
  }

  Status probe() override {
    auto session = Session::open(slot_);
    if (!session) return std::move(session).error();
    return Done{};
  }

 private:
  Result<Session> logged_in() const {
    auto session = Session::open(slot_);
    if (!session || (slot_.info.flags & CKF_LOGIN_REQUIRED) == 0) return session;
    if (!pin_) return Error(Code::malformed, "the token needs a PIN: add pin-source to its URI");
    auto done = session->log_in(pin_->pin());
    if (!done) return std::move(done).error();
    return session;
  }

  std::optional<PinFile> pin_;
  Modules modules_;
  Slot slot_;
};

}  // namespace

Result<std::unique_ptr<Backend>> open(std::string_view text) {
  auto uri = Uri::parse(text);
  if (!uri) return std::move(uri).error();
  std::optional<PinFile> pin;
  if (uri->pin_source()) {
    auto opened = PinFile::open(*uri->pin_source());
    if (!opened) return std::move(opened).error();
    pin.emplace(*std::move(opened));
  }
  auto modules = Modules::load(*uri);
  if (!modules) return std::move(modules).error();
  const auto slot = modules->find(*uri);
  if (!slot) return slot.error();
  std::unique_ptr<Backend> backend =
      std::make_unique<Pkcs11Backend>(std::move(pin), *std::move(modules), *slot);
  return backend;
}

}  // namespace coprotect::hsm::pkcs11
