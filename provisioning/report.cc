#include "provisioning/report.h"

#include <iostream>

#include "protocol/base/text.h"

namespace coprotect::provisioning {

Exit exit_for(Code code) {
  switch (code) {
    case Code::unauthenticated:
    case Code::denied:
    case Code::replayed:
    case Code::stale:
    case Code::not_found:
    case Code::conflict:
    case Code::locked_out:
      return Exit::refused;
    case Code::limited:
      return Exit::waiting;
    case Code::unavailable:
      return Exit::unreachable;
    case Code::malformed:
    case Code::altered:
    case Code::bad_proof:
      return Exit::altered;
    case Code::wrong_code:
      return Exit::wrong_code;
    case Code::internal:
      return Exit::some_failed;
  }
  return Exit::some_failed;
}

Error with_hint(Error error, std::string_view hint) {
  return {error.code(), error.message() + "\n" + std::string(hint)};
}

void Failures::add(const Error& why) {
  const std::string line = why.message().substr(0, why.message().find('\n'));
  first_ = first_ ? Error(first_->code(), first_->message() + "; " + line) : Error(why.code(), line);
}

Status Failures::status() const {
  if (first_) return *first_;
  return Done{};
}

Exit report(const Error& error) {
  const std::string_view text = error.message();
  const auto line_end = text.find('\n');
  std::cerr << "coprotect-provision: error: " << printable(text.substr(0, line_end)) << '\n';
  if (line_end != std::string_view::npos)
    std::cerr << "coprotect-provision: hint: " << printable(text.substr(line_end + 1)) << '\n';
  return exit_for(error.code());
}

}  // namespace coprotect::provisioning
