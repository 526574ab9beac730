#pragma once

#include <openssl/params.h>

#include <optional>
#include <string>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

// OpenSSL's lists of parameters (OSSL_PARAM(3)).
namespace coprotect::provider {

// A parameter's value. Nothing if the list lacks the parameter or it has another type.
std::optional<std::string> text_param(const OSSL_PARAM params[], const char* name);
std::optional<Bytes> bytes_param(const OSSL_PARAM params[], const char* name);
std::optional<Bytes> number_param(const OSSL_PARAM params[], const char* name);  // big-endian
std::optional<int> int_param(const OSSL_PARAM params[], const char* name);
std::optional<std::size_t> size_param(const OSSL_PARAM params[], const char* name);

// Fills in the parameters that a list requests.
class ParamAnswer {
 public:
  explicit ParamAnswer(OSSL_PARAM params[]) : params_(params) {}

  void set_int(const char* name, int value);
  void set_size(const char* name, std::size_t value);
  void set_text(const char* name, const std::string& value);
  void set_bytes(const char* name, ByteView value);
  void set_bytes_pointer(const char* name, ByteView value);  // the bytes must outlive their use
  void set_number(const char* name, ByteView value);         // big-endian

  // Code::malformed, naming one parameter, if some had no room.
  Status status() const;

 private:
  template <typename Set>
  void answer(const char* name, Set set);

  OSSL_PARAM* params_;
  const char* failed_ = nullptr;
};

}  // namespace coprotect::provider
