#include "provisioning/operator.h"

#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "client/files/fd.h"
#include "provisioning/terminal.h"

namespace coprotect::provisioning {
namespace {

constexpr std::size_t kMaxLine = 1023;

Result<Secret> read_secret(const std::optional<int>& fd, std::string_view prompt) {
  if (fd) return read_secret_line(*fd);
  auto terminal = Terminal::open();
  if (!terminal) return std::move(terminal).error();
  return terminal->read_hidden(prompt);
}

Result<Secret> read_new_secret(const std::optional<int>& fd, std::string_view what) {
  auto first = read_secret(fd, std::string(what) + ": ");
  if (!first || fd) return first;
  auto second = read_secret(fd, std::string(what) + " again: ");
  if (second && !equal_in_constant_time(*first, *second))
    return Error(Code::wrong_code, "the two entries of the " + std::string(what) + " differ");
  return second;
}

}  // namespace

Result<Secret> read_secret_line(int fd) {
  Secret line(kMaxLine);
  std::size_t size = 0;
  // Byte by byte: what comes after the newline belongs to the next reader.
  for (;;) {
    std::uint8_t byte = 0;
    const ssize_t n = read(fd, &byte, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error(Code::malformed, "cannot read file descriptor " + std::to_string(fd));
    if (n == 0 && size == 0)
      return Error(Code::malformed, "file descriptor " + std::to_string(fd) + " gave no line");
    if (n == 0 || byte == '\n') break;
    if (size == kMaxLine)
      return Error(Code::malformed, "the line on file descriptor " + std::to_string(fd) + " is too long");
    line.fill()[size++] = byte;
  }
  return Secret::copy_of(line.reveal().first(size));
}

void Operator::progress(std::string_view text) const {
  std::cerr << text << '\n';
}

void Operator::warn(std::string_view text) const {
  std::cerr << "coprotect-provision: warning: " << text << '\n';
}

Status Operator::show_code(const Secret& code) const {
  if (descriptors_.show_code) {
    if (client::write_all(*descriptors_.show_code, code.reveal()) &&
        client::write_all(*descriptors_.show_code, bytes_of("\n")))
      return Done{};
    return Error(Code::unavailable, "cannot write the recovery code to file descriptor " +
                                        std::to_string(*descriptors_.show_code));
  }
  auto terminal = Terminal::open();
  if (!terminal) return std::move(terminal).error();
  return terminal->show_once(
      "the recovery code. Write it on the recovery sheet, by hand; it is shown only now:", code,
      "press Enter when it is written down: ");
}

Result<Secret> Operator::retyped_code() const {
  return read_secret(descriptors_.code, "type the recovery code from the paper: ");
}

Result<Secret> Operator::new_password() const {
  return read_new_secret(descriptors_.password, "recovery password");
}

Result<Secret> Operator::new_ca_passphrase() const {
  return read_new_secret(descriptors_.ca_passphrase, "passphrase for the client CA key");
}

Result<Secret> Operator::ca_passphrase() const {
  return read_secret(descriptors_.ca_passphrase, "passphrase of the client CA key: ");
}

}  // namespace coprotect::provisioning
