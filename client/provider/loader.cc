#include "client/provider/loader.h"

#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <openssl/store.h>

#include <array>

#include "client/provider/envelope_key.h"
#include "client/provider/key_object.h"

namespace coprotect::provider {
namespace {

using keyclient::Key;

// A parameter list refers to values that are not const. OpenSSL only reads them.
char* text(const std::string& value) {
  return const_cast<char*>(value.c_str());
}

}  // namespace

Result<Loader> Loader::open(Context& context, std::string_view uri) {
  const auto wanted = KeyUri::parse(uri);
  if (!wanted) return wanted.error();
  auto keys = context.client().list();
  if (!keys) return std::move(keys).error();
  Loader loader(context);
  for (Key& key : *keys) {
    if (!wanted->means(key)) continue;
    if (auto added = loader.add(std::move(key)); !added) return std::move(added).error();
  }
  if (loader.items_.empty() && !wanted->means_all())
    return Error(Code::not_found, "the configuration has no key \"" + keyclient::one_line(uri) + "\"");
  return loader;
}

Status Loader::add(Key key) {
  auto certificate = context_->client().certificate(key.key_id);
  if (!certificate) return std::move(certificate).error();
  const auto shared = std::make_shared<const Key>(std::move(key));
  items_.push_back({.type = OSSL_STORE_INFO_PKEY, .key = shared, .certificate = {}});
  items_.push_back({.type = OSSL_STORE_INFO_PUBKEY, .key = shared, .certificate = {}});
  if (!certificate->der.empty())
    items_.push_back(
        {.type = OSSL_STORE_INFO_CERT, .key = shared, .certificate = std::move(certificate->der)});
  return Done{};
}

bool Loader::at_end() {
  while (next_ < items_.size() && expected_ != 0 && items_[next_].type != expected_) ++next_;
  return next_ == items_.size();
}

Status Loader::log_in(const Key& key, const Prompt& prompt) {
  if (!key.login_needed || logged_in_) return Done{};
  const std::string what = "the client's key, which \"" + key.name + "\" is used with";
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_PASSPHRASE_PARAM_INFO, text(what), what.size()),
      OSSL_PARAM_construct_end()};
  keyclient::WipedBytes passphrase(keyclient::kMaxPassphrase);
  std::size_t size = 0;
  if (prompt.ask == nullptr || prompt.ask(reinterpret_cast<char*>(passphrase.fill().data()),
                                          passphrase.size(), &size, params.data(), prompt.argument) != 1)
    return Error(Code::unauthenticated, "no passphrase is given for " + what);
  auto opened = context_->client().login(passphrase.reveal().first(size));
  logged_in_ = static_cast<bool>(opened);
  return opened;
}

// A program that asks for "EC" gets the KEYMGMT that OpenSSL found first, which OpenSSL remembers. Other
// providers' must come before ours. So OpenSSL is made to search all of them twice, for an object of a type
// that none has: first while we offer none, and then for ours. Both searches fail, as intended.
void Loader::introduce_keys(OSSL_CALLBACK* callback, void* argument) {
  if (context_->offers_keys()) return;
  std::string nobodys_type = "COPROTECT-NONE";
  int type = OSSL_OBJECT_PKEY;
  std::uint8_t nothing = 0;
  const std::array params = {
      OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
      OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, nobodys_type.data(), nobodys_type.size()),
      OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &nothing, sizeof nothing),
      OSSL_PARAM_construct_end()};
  context_->mark_errors();
  callback(params.data(), argument);
  context_->offer_keys();
  callback(params.data(), argument);
  context_->drop_errors();
}

// OpenSSL takes ownership of the key, a T, through the reference, if it finds our KEYMGMT of this name.
template <typename T>
Status Loader::give_key(const Item& item, std::string type_name, OSSL_CALLBACK* callback, void* argument) {
  auto made = std::make_unique<T>(*context_, item.key, item.type == OSSL_STORE_INFO_PKEY);
  int type = OSSL_OBJECT_PKEY;
  T* reference = made.release();
  const std::array params = {
      OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
      OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, text(type_name), type_name.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DESC, text(item.key->name), item.key->name.size()),
      OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &reference, sizeof reference),
      OSSL_PARAM_construct_end()};
  const bool taken = callback(params.data(), argument) == 1;
  made.reset(reference);
  if (!taken) return Error(Code::internal, "OpenSSL does not take the key \"" + item.key->name + "\"");
  return Done{};
}

Status Loader::give_certificate(Item& item, OSSL_CALLBACK* callback, void* argument) {
  int type = OSSL_OBJECT_CERT;
  const std::array params = {OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
                             OSSL_PARAM_construct_octet_string(
                                 OSSL_OBJECT_PARAM_DATA, item.certificate.data(), item.certificate.size()),
                             OSSL_PARAM_construct_end()};
  if (callback(params.data(), argument) != 1)
    return Error(Code::malformed, "OpenSSL does not take the certificate of \"" + item.key->name + "\"");
  return Done{};
}

Status Loader::load(OSSL_CALLBACK* callback, void* argument, const Prompt& prompt) {
  if (at_end()) return Error(Code::not_found, "there is no further object");
  Item& item = items_[next_++];
  if (item.type == OSSL_STORE_INFO_CERT) return give_certificate(item, callback, argument);
  if (item.type == OSSL_STORE_INFO_PKEY)
    if (auto opened = log_in(*item.key, prompt); !opened) return opened;
  introduce_keys(callback, argument);
  if (item.key->purpose == keyclient::Purpose::envelope)
    return give_key<EnvelopeKey>(item, kEnvelopeName, callback, argument);
  return give_key<KeyObject>(item, item.key->suite == keyclient::Suite::p256 ? "EC" : "DH", callback,
                             argument);
}

}  // namespace coprotect::provider
