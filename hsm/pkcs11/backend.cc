#include "hsm/pkcs11/backend.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "hsm/helper/message.h"
#include "hsm/helper/pin.h"
#include "hsm/pkcs11/seal_key.h"
#include "hsm/pkcs11/token_copy.h"
#include "protocol/base/fault.h"
#include "protocol/base/fd.h"
#include "protocol/base/random.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::hsm::pkcs11 {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kCiphertextSize = kWrappingKeySize + 16;

constexpr std::string_view kKeyLabel = "coprotect-seal";
constexpr std::string_view kRootLabel = "coprotect-root";
constexpr std::string_view kKeyMagic = "CPKB";
constexpr std::string_view kRootMagic = "CPKN";  // under a root

// "CPKB" or "CPKN" | version u8 = 1 | sealing key's CKA_ID 16 | nonce 12 | ciphertext 48. Everything before
// the ciphertext is the AAD.
struct SealedBlob {
  SealKeyId key;
  ByteArray<12> nonce;
  std::string_view magic = kKeyMagic;

  Bytes head() const {
    Writer writer;
    writer.literal(magic).u8(kVersion).bytes(key).bytes(nonce);
    return std::move(writer).take();
  }
};

// A token's texts are padded with blanks, and may contain anything.
template <std::size_t N>
std::string text_of_field(const unsigned char (&field)[N]) {
  std::string text(field, field + N);
  text.erase(text.find_last_not_of(' ') + 1);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < '!' || c > '~' || c == ';' || c == '='; }, '?');
  return text;
}

std::string name_without_key(const CK_TOKEN_INFO& info) {
  return "pkcs11:serial=" + text_of_field(info.serialNumber) + ";token=" + text_of_field(info.label) +
         ";key=";
}

class Pkcs11Backend final : public Backend {
 public:
  Pkcs11Backend(Uri uri, std::optional<PinFile> pin, Modules modules, const Slot& slot, std::string wanted)
      : uri_(std::move(uri)),
        pin_(std::move(pin)),
        modules_(std::move(modules)),
        slot_(slot),
        wanted_(std::move(wanted)) {}

  // While the lock exists, no other process restores the token's files. Fails if they are damaged: a root
  // with an unreadable object would look destroyed.
  Status lock(const std::vector<NotPutBack>& not_put_back) {
    if (!is_soft()) return Done{};
    for (const NotPutBack& token : not_put_back)
      if (token.serial == serial()) return token.why;
    lock_ = lock_soft_token(serial());
    return Done{};
  }

  Result<std::string> name() override {
    if (!found_.empty()) return found_;
    const auto session = logged_in();
    if (!session) return session.error();
    auto key = seal_key(*session);
    if (!key) return std::move(key).error();
    return found_;
  }

  Result<Bytes> seal(const Secret& key) override {
    const auto session = logged_in();
    if (!session) return session.error();
    const auto seal_key = this->seal_key(*session);
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

  // Each root is a separate key in the token, used only to encrypt the key that it releases.
  Result<NewRoot> make_root(const RootId& id) override {
    const auto session = logged_in();
    if (!session) return session.error();
    if (const auto token = seal_key(*session); !token) return token.error();
    const auto taken = find_root(*session, id);
    if (!taken) return taken.error();
    if (*taken) return Error(Code::conflict, "the token has a root of this name");
    const auto root = SealKey::make(*session, kRootLabel, id);
    if (!root) return root.error();
    fault_point("pkcs11: the root is made");
    SealedBlob blob{.key = id, .nonce = {}, .magic = kRootMagic};
    system_random().fill(blob.nonce);
    const Bytes head = blob.head();
    NewRoot made{.key = Secret(kWrappingKeySize), .sealed = {}};
    system_random().fill(made.key.fill());
    const auto ciphertext = root->encrypt(blob.nonce, head, made.key);
    if (!ciphertext) return ciphertext.error();
    Writer writer;
    writer.bytes(head).bytes(*ciphertext);
    made.sealed = std::move(writer).take();
    return made;
  }

  Status destroy_root(const RootId& id) override {
    const auto session = logged_in();
    if (!session) return session.error();
    if (const auto token = seal_key(*session); !token) return token.error();
    const auto root = find_root(*session, id);
    if (!root) return root.error();
    if (!*root) return Done{};
    fault_point("pkcs11: the root is to be destroyed");
    auto destroyed = (*root)->destroy();
    fault_point("pkcs11: the root is destroyed");
    return destroyed;
  }

  Result<Secret> unseal(ByteView sealed) override {
    Reader reader(sealed);
    const bool of_root =
        std::ranges::equal(sealed.first(std::min(sealed.size(), kRootMagic.size())), bytes_of(kRootMagic));
    const bool magic = reader.literal(of_root ? kRootMagic : kKeyMagic) && reader.u8() == kVersion;
    const auto id = reader.array<16>();
    const auto nonce = reader.array<12>();
    if (!magic || !id || !nonce || reader.size() != kCiphertextSize)
      return Error(Code::altered, "not a key that a PKCS#11 token sealed");
    const auto session = logged_in();
    if (!session) return session.error();
    if (of_root) return unseal_root(*session, *id, *nonce, sealed);
    const auto key = seal_key(*session, *id);
    if (!key) return key.error();
    return key->decrypt(*nonce, sealed.first(sealed.size() - kCiphertextSize), reader.rest());
  }

  Status probe() override {
    auto session = Session::open(slot_);
    if (!session) return std::move(session).error();
    // The key is visible only after login.
    const std::string start = name_without_key(slot_.info);
    if (!wanted_.empty() && !wanted_.starts_with(start)) return another_token(start + "...", wanted_);
    return Done{};
  }

  Status keep_copy(bool erased) override {
    if (!is_soft()) return Done{};
    return keep_soft_token(serial(), erased, [this] { return open_copy(); });
  }

  std::string notice() override { return is_soft() ? notice_of_soft_token(serial()) : std::string(); }

  const std::optional<PinFile>& pin() const override { return pin_; }

 private:
  bool is_soft() const { return text_of_field(slot_.info.manufacturerID).starts_with("SoftHSM"); }
  std::string_view serial() const {
    return {reinterpret_cast<const char*>(slot_.info.serialNumber), sizeof slot_.info.serialNumber};
  }

  // Loads the library again, because it reads its configuration when loaded. This is the backend's last step.
  Status open_copy() {
    modules_.reset();
    auto modules = Modules::load(uri_);
    if (!modules) return std::move(modules).error();
    modules_.emplace(*std::move(modules));
    const auto slot = modules_->find(uri_);
    if (!slot) return slot.error();
    slot_ = *slot;
    wanted_ = found_;
    const auto session = logged_in();
    if (!session) return session.error();
    const auto key = seal_key(*session);
    if (!key) return key.error();
    return Done{};
  }

  Result<Session> logged_in() const {
    auto session = Session::open(slot_);
    if (!session || (slot_.info.flags & CKF_LOGIN_REQUIRED) == 0) return session;
    if (!pin_) return Error(Code::malformed, "the token needs a PIN: add pin-source to its URI");
    auto done = session->log_in(pin_->pin());
    if (!done) return std::move(done).error();
    return session;
  }

  Result<std::optional<SealKey>> find_root(const Session& session, const RootId& id) const {
    auto roots = SealKey::find_all(session, kRootLabel, id);
    if (!roots) return std::move(roots).error();
    if (roots->empty()) return std::optional<SealKey>();
    return std::optional<SealKey>(roots->front());
  }

  Result<Secret> unseal_root(const Session& session, const RootId& id, const ByteArray<12>& nonce,
                             ByteView sealed) {
    if (const auto token = seal_key(session); !token) return token.error();
    const auto root = find_root(session, id);
    if (!root) return root.error();
    if (!*root)
      return Error(Code::altered,
                   "its root in the token was destroyed: this copy is older than the last erasure, and what "
                   "it holds is erased");
    if (auto proper = (*root)->check_attributes(); !proper) return std::move(proper).error();
    return (*root)->decrypt(nonce, sealed.first(sealed.size() - kCiphertextSize),
                            sealed.last(kCiphertextSize));
  }

  // The sealing key of the requested token, or the one with this id. If any token is acceptable, one without
  // a key gets one.
  Result<SealKey> seal_key(const Session& session, const std::optional<SealKeyId>& id = std::nullopt) {
    auto keys = SealKey::find_all(session, kKeyLabel);
    if (!keys) return std::move(keys).error();
    if (keys->empty() && wanted_.empty() && !id) {
      SealKeyId fresh;
      system_random().fill(fresh);
      auto made = SealKey::make(session, kKeyLabel, fresh);
      if (!made) return made;
      keys->push_back(*std::move(made));
    }
    for (SealKey& key : *keys) {
      if (id && key.id() != *id) continue;
      if (auto proper = key.check_attributes(); !proper) return std::move(proper).error();
      const auto check = key.check_value();
      if (!check) return check.error();
      found_ = name_without_key(slot_.info) + to_hex(key.id()) + ";check=" + to_hex(*check);
      if (wanted_.empty() || found_ == wanted_) return std::move(key);
    }
    if (wanted_.empty())
      return Error(Code::altered,
                   "the key was sealed by another token, or the token's coprotect-seal key is gone");
    auto another = another_token(
        found_.empty() ? name_without_key(slot_.info) + (keys->empty() ? "none" : "another") : found_,
        wanted_);
    return is_soft() ? explain_soft_tokens(std::move(another)) : another;
  }

  Uri uri_;
  std::optional<PinFile> pin_;
  Fd lock_;  // lock of a software token's folder
  std::optional<Modules> modules_;
  Slot slot_;
  std::string wanted_;  // the token's name; empty: any
  std::string found_;   // its name, once it is known
};

}  // namespace

Result<std::unique_ptr<Backend>> open(const WantedToken& wanted) {
  auto uri = Uri::parse(wanted.uri);
  if (!uri) return std::move(uri).error();
  std::optional<PinFile> pin;
  if (uri->pin_source()) {
    auto opened = PinFile::open(*uri->pin_source(), wanted.refused);
    if (!opened) return std::move(opened).error();
    pin.emplace(*std::move(opened));
  }
  const auto not_put_back = put_back_damaged_soft_tokens();
  auto modules = Modules::load(*uri);
  if (!modules) return std::move(modules).error();
  const auto slot = modules->find(*uri);
  if (!slot) return not_put_back.empty() ? explain_soft_tokens(slot.error()) : not_put_back.front().why;
  auto backend = std::make_unique<Pkcs11Backend>(*std::move(uri), std::move(pin), *std::move(modules), *slot,
                                                 wanted.name);
  if (auto whole = backend->lock(not_put_back); !whole) return std::move(whole).error();
  return std::unique_ptr<Backend>(std::move(backend));
}

}  // namespace coprotect::hsm::pkcs11
