#include "client/provider/context.h"

#include <array>
#include <cstdarg>

namespace coprotect::provider {
namespace {

std::uint32_t reason_of(Code code) {
  return static_cast<std::uint32_t>(code) + 1;
}

// OpenSSL's function takes its arguments as a va_list.
void set_error(OSSL_FUNC_core_vset_error_fn* vset_error, const OSSL_CORE_HANDLE* handle, std::uint32_t reason,
               const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vset_error(handle, reason, format, arguments);
  va_end(arguments);
}

OSSL_ITEM item(Code code, const char* text) {
  return {reason_of(code), const_cast<char*>(text)};  // OpenSSL only reads it
}

}  // namespace

const OSSL_ITEM* Context::reasons() {
  static const std::array items = {
      item(Code::malformed, "unsuitable key or value"),  item(Code::unauthenticated, "passphrase needed"),
      item(Code::denied, "refused by an agent"),         item(Code::not_found, "no such key"),
      item(Code::wrong_code, "wrong passphrase"),        item(Code::unavailable, "too few agents answer"),
      item(Code::internal, "failure of the key helper"), OSSL_ITEM{0, nullptr},
  };
  return items.data();
}

void Context::raise(const Error& error) const {
  new_error_(handle_);
  set_error(vset_error_, handle_, reason_of(error.code()), "%s", error.message().c_str());
}

std::unique_ptr<Context> Context::make(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* offered) {
  std::unique_ptr<Context> context(new Context);
  context->handle_ = handle;
  for (; offered->function_id != 0; ++offered) {
    switch (offered->function_id) {
      case OSSL_FUNC_CORE_NEW_ERROR:
        context->new_error_ = OSSL_FUNC_core_new_error(offered);
        break;
      case OSSL_FUNC_CORE_VSET_ERROR:
        context->vset_error_ = OSSL_FUNC_core_vset_error(offered);
        break;
      case OSSL_FUNC_CORE_SET_ERROR_MARK:
        context->set_mark_ = OSSL_FUNC_core_set_error_mark(offered);
        break;
      case OSSL_FUNC_CORE_POP_ERROR_TO_MARK:
        context->pop_to_mark_ = OSSL_FUNC_core_pop_error_to_mark(offered);
        break;
      default:
        break;
    }
  }
  const bool complete = context->new_error_ != nullptr && context->vset_error_ != nullptr &&
                        context->set_mark_ != nullptr && context->pop_to_mark_ != nullptr;
  return complete ? std::move(context) : nullptr;
}

}  // namespace coprotect::provider
