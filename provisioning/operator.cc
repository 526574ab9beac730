#include "provisioning/operator.h"

#include <iostream>

#include "client/files/fd.h"
#include "client/terminal/secret_line.h"
#include "client/terminal/terminal.h"
#include "protocol/base/text.h"

namespace coprotect::provisioning {
namespace {

Result<Secret> read_new_secret(const std::optional<int>& fd, std::string_view what) {
  auto first = client::ask_secret(std::string(what) + ": ", fd);
  if (!first || fd) return first;
  auto second = client::ask_secret(std::string(what) + " again: ", fd);
  if (second && !equal_in_constant_time(*first, *second))
    return Error(Code::wrong_code, "the two entries of the " + std::string(what) + " differ");
  return second;
}

}  // namespace

void Operator::progress(std::string_view text) const {
  std::cerr << text << '\n';
}

void Operator::warn(std::string_view text) const {
  std::cerr << "coprotect-provision: warning: " << printable(text) << '\n';
}

Status Operator::show_code(const Secret& code) const {
  if (descriptors_.show_code) {
    if (client::write_all(*descriptors_.show_code, code.reveal()) &&
        client::write_all(*descriptors_.show_code, bytes_of("\n")))
      return Done{};
    return Error(Code::unavailable, "cannot write the recovery code to file descriptor " +
                                        std::to_string(*descriptors_.show_code));
  }
  auto terminal = client::Terminal::open();
  if (!terminal) return std::move(terminal).error();
  return terminal->show_once(
      "the recovery code. Write it on the recovery sheet, by hand; it is shown only now:", code,
      "press Enter when it is written down: ");
}

Result<Secret> Operator::retyped_code() const {
  return client::ask_secret("type the recovery code from the paper: ", descriptors_.code);
}

Result<Secret> Operator::recovery_code() const {
  return client::ask_secret("recovery code: ", descriptors_.code);
}

Result<Secret> Operator::new_ca_passphrase() const {
  return read_new_secret(descriptors_.ca_passphrase, "passphrase for the client CA key");
}

Result<Secret> Operator::ca_passphrase() const {
  return client::ask_secret("passphrase of the client CA key: ", descriptors_.ca_passphrase);
}

Result<Secret> Operator::organisation_passphrase() const {
  return client::ask_secret("passphrase of the organisation's key: ", descriptors_.ca_passphrase);
}

Status Operator::confirm(std::string_view prompt, std::string_view word) const {
  const auto typed = client::ask_secret(prompt, std::nullopt);
  if (!typed) return typed.error();
  if (text_of(typed->reveal()) != word) return Error(Code::denied, "not confirmed: nothing was changed");
  return Done{};
}

Status Operator::confirm_key_id(ByteView key_id) const {
  const auto typed = client::ask_secret("type the key_id to go on (it is not shown): ", descriptors_.key_id);
  if (!typed) return typed.error();
  std::string digits(text_of(typed->reveal()));
  std::erase(digits, ' ');
  if (digits != to_hex(key_id)) return Error(Code::denied, "that is not the key_id: nothing was changed");
  return Done{};
}

}  // namespace coprotect::provisioning
