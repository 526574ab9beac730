#include "client/provider/params.h"

#include "client/provider/public_value.h"

namespace coprotect::provider {

std::optional<std::string> text_param(const OSSL_PARAM params[], const char* name) {
  const OSSL_PARAM* const found = OSSL_PARAM_locate_const(params, name);
  const char* text = nullptr;
  if (found == nullptr || OSSL_PARAM_get_utf8_string_ptr(found, &text) != 1 || text == nullptr)
    return std::nullopt;
  return std::string(text);
}

std::optional<Bytes> bytes_param(const OSSL_PARAM params[], const char* name) {
  const OSSL_PARAM* const found = OSSL_PARAM_locate_const(params, name);
  const void* data = nullptr;
  std::size_t size = 0;
  if (found == nullptr || OSSL_PARAM_get_octet_string_ptr(found, &data, &size) != 1) return std::nullopt;
  const auto* const bytes = static_cast<const std::uint8_t*>(data);
  return Bytes(bytes, bytes + size);
}

std::optional<Bytes> number_param(const OSSL_PARAM params[], const char* name) {
  const OSSL_PARAM* const found = OSSL_PARAM_locate_const(params, name);
  Number number;
  if (found == nullptr || OSSL_PARAM_get_BN(found, out(number)) != 1) return std::nullopt;
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), bytes.data());
  return bytes;
}

std::optional<int> int_param(const OSSL_PARAM params[], const char* name) {
  const OSSL_PARAM* const found = OSSL_PARAM_locate_const(params, name);
  int value = 0;
  if (found == nullptr || OSSL_PARAM_get_int(found, &value) != 1) return std::nullopt;
  return value;
}

std::optional<std::size_t> size_param(const OSSL_PARAM params[], const char* name) {
  const OSSL_PARAM* const found = OSSL_PARAM_locate_const(params, name);
  std::size_t value = 0;
  if (found == nullptr || OSSL_PARAM_get_size_t(found, &value) != 1) return std::nullopt;
  return value;
}

template <typename Set>
void ParamAnswer::answer(const char* name, Set set) {
  OSSL_PARAM* const wanted = OSSL_PARAM_locate(params_, name);
  if (wanted != nullptr && set(wanted) != 1) failed_ = name;
}

void ParamAnswer::set_int(const char* name, int value) {
  answer(name, [value](OSSL_PARAM* wanted) { return OSSL_PARAM_set_int(wanted, value); });
}

void ParamAnswer::set_size(const char* name, std::size_t value) {
  answer(name, [value](OSSL_PARAM* wanted) { return OSSL_PARAM_set_size_t(wanted, value); });
}

void ParamAnswer::set_text(const char* name, const std::string& value) {
  answer(name, [&value](OSSL_PARAM* wanted) { return OSSL_PARAM_set_utf8_string(wanted, value.c_str()); });
}

void ParamAnswer::set_bytes(const char* name, ByteView value) {
  answer(name, [value](OSSL_PARAM* wanted) {
    return OSSL_PARAM_set_octet_string(wanted, value.data(), value.size());
  });
}

void ParamAnswer::set_bytes_pointer(const char* name, ByteView value) {
  answer(name, [value](OSSL_PARAM* wanted) {
    return OSSL_PARAM_set_octet_ptr(wanted, value.data(), value.size());
  });
}

void ParamAnswer::set_number(const char* name, ByteView value) {
  answer(name, [value](OSSL_PARAM* wanted) { return OSSL_PARAM_set_BN(wanted, number_of(value).get()); });
}

Status ParamAnswer::status() const {
  if (failed_ == nullptr) return Done{};
  return Error(Code::malformed, std::string("no room for the parameter \"") + failed_ + "\"");
}

}  // namespace coprotect::provider
