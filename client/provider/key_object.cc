#include "client/provider/key_object.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>

#include "client/provider/params.h"
#include "client/provider/public_value.h"

namespace coprotect::provider {
namespace {

using keyclient::Suite;
using Builder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;

constexpr const char* kP256 = "prime256v1";
constexpr std::array kNamesOfP256 = {"prime256v1", "P-256", "secp256r1"};
constexpr std::array<std::size_t, 3> kPrimeSizes = {256, 384, 512};
constexpr std::uint8_t kGenerator = 2;  // RFC 7919
constexpr int kCoordinate = 32;
constexpr int kParameters = OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS;
constexpr int kPublic = OSSL_KEYMGMT_SELECT_PUBLIC_KEY;
constexpr int kPrivate = OSSL_KEYMGMT_SELECT_PRIVATE_KEY;

// OpenSSL's name.
std::string group_name(Suite suite) {
  return suite == Suite::p256 ? kP256 : std::string(keyclient::suite_name(suite));
}

Error not_this_group() {
  return {Code::malformed, "a key is of another group than joint keys are: P-256, ffdhe2048, 3072 or 4096"};
}

Result<Group> read_group(Kind kind, const OSSL_PARAM params[]) {
  const auto name = text_param(params, OSSL_PKEY_PARAM_GROUP_NAME);
  if (kind == Kind::ec) {
    if (!name || std::ranges::find(kNamesOfP256, *name) == kNamesOfP256.end()) return not_this_group();
    return Group{.name = kP256, .prime = {}};
  }
  auto prime = number_param(params, OSSL_PKEY_PARAM_FFC_P);
  const auto generator = number_param(params, OSSL_PKEY_PARAM_FFC_G);
  if (!prime || std::ranges::find(kPrimeSizes, prime->size()) == kPrimeSizes.end() ||
      generator != Bytes{kGenerator})
    return not_this_group();
  return Group{.name = name.value_or(""), .prime = *std::move(prime)};
}

}  // namespace

KeyObject::KeyObject(Context& its_context, std::shared_ptr<const keyclient::Key> key, bool with_private_half)
    : context(&its_context),
      kind(key->suite == Suite::p256 ? Kind::ec : Kind::dh),
      group(Group{.name = group_name(key->suite), .prime = key->prime}),
      value(key->public_key) {
  if (with_private_half) joint = std::move(key);
}

bool KeyObject::has(int selection) const {
  if ((selection & kParameters) != 0 && !group) return false;
  if ((selection & kPublic) != 0 && value.empty()) return false;
  return (selection & kPrivate) == 0 || joint != nullptr;
}

bool KeyObject::matches(const KeyObject& other, int selection) const {
  if (kind != other.kind) return false;
  if ((selection & kParameters) != 0 && group != other.group) return false;
  // Private halves are not compared: they are equal if the public ones are.
  if ((selection & (kPublic | kPrivate)) == 0) return true;
  return !value.empty() && group == other.group && value == other.value;
}

KeyObject KeyObject::part(int selection) const {
  KeyObject copy(*context, kind);
  if ((selection & (kParameters | kPublic | kPrivate)) != 0) copy.group = group;
  if ((selection & (kPublic | kPrivate)) != 0) copy.value = value;
  if ((selection & kPrivate) != 0) copy.joint = joint;
  return copy;
}

Status KeyObject::import(int selection, const OSSL_PARAM params[]) {
  auto read = read_group(kind, params);
  if (!read) return std::move(read).error();
  if (group) return Error(Code::malformed, "a key has its group already");
  group = *std::move(read);
  if ((selection & kPublic) == 0) return Done{};
  const auto encoded = kind == Kind::ec ? bytes_param(params, OSSL_PKEY_PARAM_PUB_KEY)
                                        : number_param(params, OSSL_PKEY_PARAM_PUB_KEY);
  return encoded ? set_value(*encoded) : Done{};
}

Status KeyObject::set_value(ByteView encoded) {
  if (!group || !value.empty() || joint != nullptr)
    return Error(Code::malformed, "a key without a group, or with a public value, cannot be given one");
  auto parsed = kind == Kind::ec ? parse_point(encoded) : parse_residue(group->prime, encoded);
  if (!parsed) return std::move(parsed).error();
  value = *std::move(parsed);
  return Done{};
}

Status KeyObject::get(OSSL_PARAM params[]) const {
  if (!group) return Error(Code::malformed, "a key is empty");
  const int width = kind == Kind::ec ? kCoordinate : static_cast<int>(group->prime.size());
  ParamAnswer answer(params);
  answer.set_int(OSSL_PKEY_PARAM_BITS, width * 8);
  answer.set_int(OSSL_PKEY_PARAM_SECURITY_BITS, security_bits(static_cast<std::size_t>(width)));
  answer.set_int(OSSL_PKEY_PARAM_MAX_SIZE, width);
  answer.set_text(OSSL_PKEY_PARAM_GROUP_NAME, group->name);
  if (kind == Kind::ec) {
    answer.set_text(OSSL_PKEY_PARAM_DEFAULT_DIGEST, "SHA256");
  } else {
    answer.set_number(OSSL_PKEY_PARAM_FFC_P, group->prime);
    answer.set_number(OSSL_PKEY_PARAM_FFC_G, Bytes{kGenerator});
  }
  if (value.empty()) return answer.status();
  answer.set_bytes(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, value);
  if (kind == Kind::ec) {
    answer.set_bytes(OSSL_PKEY_PARAM_PUB_KEY, value);
    answer.set_number(OSSL_PKEY_PARAM_EC_PUB_X, ByteView(value).subspan(1, kCoordinate));
    answer.set_number(OSSL_PKEY_PARAM_EC_PUB_Y, ByteView(value).subspan(1 + kCoordinate));
  } else {
    answer.set_number(OSSL_PKEY_PARAM_PUB_KEY, value);
  }
  return answer.status();
}

Status KeyObject::give(int selection, OSSL_CALLBACK* callback, void* argument) const {
  if (joint != nullptr && (selection & kPrivate) != 0)
    return Error(Code::malformed, "the private half of a joint key is nowhere, and cannot be exported");
  if (!group) return Error(Code::malformed, "a key is empty");
  const Builder builder(OSSL_PARAM_BLD_new());
  const Number p = number_of(group->prime);
  const Number g = number_of(Bytes{kGenerator});
  const Number y = number_of(value);  // must live until the parameters are made
  OSSL_PARAM_BLD* const to = builder.get();
  bool pushed = to != nullptr;
  if (!group->name.empty())
    pushed = pushed &&
             OSSL_PARAM_BLD_push_utf8_string(to, OSSL_PKEY_PARAM_GROUP_NAME, group->name.c_str(), 0) == 1;
  if (kind == Kind::dh)
    pushed = pushed && OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_FFC_P, p.get()) == 1 &&
             OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_FFC_G, g.get()) == 1;
  if ((selection & kPublic) != 0 && !value.empty()) {
    pushed = pushed && (kind == Kind::dh ? OSSL_PARAM_BLD_push_BN(to, OSSL_PKEY_PARAM_PUB_KEY, y.get())
                                         : OSSL_PARAM_BLD_push_octet_string(to, OSSL_PKEY_PARAM_PUB_KEY,
                                                                            value.data(), value.size())) == 1;
  }
  const Params params(pushed ? OSSL_PARAM_BLD_to_param(to) : nullptr);
  if (params == nullptr) return Error(Code::internal, "no more memory");
  if (callback(params.get(), argument) != 1)
    return Error(Code::malformed, "another provider does not take a public key");
  return Done{};
}

}  // namespace coprotect::provider
