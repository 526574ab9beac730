#pragma once

#include <optional>
#include <string_view>

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::provisioning {

// The person or script that runs the tool. Secrets pass through the terminal without echo, or through file
// descriptors that the caller opened for them, into and out of locked memory.
class Operator {
 public:
  // The descriptors for secrets, instead of the terminal.
  struct Descriptors {
    std::optional<int> show_code;
    std::optional<int> code;
    std::optional<int> ca_passphrase;
    std::optional<int> key_id = {};
    std::optional<int> ca_code = {};
  };
  explicit Operator(const Descriptors& descriptors) : descriptors_(descriptors) {}

  // A line of progress, and a warning, to stderr.
  void progress(std::string_view text) const;
  void warn(std::string_view text) const;

  // Shows the recovery code, once. On a terminal it waits until the code is written down, then erases it from
  // the screen.
  Status show_code(const Secret& code) const;
  // The code as the operator typed it. Each call reads one line.
  Result<Secret> retyped_code() const;
  // The code that opens a recovery kit. Each call reads one line.
  Result<Secret> recovery_code() const;
  // The same operator, asked for the code of a second kit.
  Operator with_code_of_ca_kit() const {
    Descriptors descriptors = descriptors_;
    descriptors.code = descriptors.ca_code;
    return Operator(descriptors);
  }
  // How many attempts make sense: a descriptor has one answer, a person gets three attempts.
  int code_tries() const { return descriptors_.code ? 1 : 3; }
  // Typed twice on a terminal. Code::wrong_code if the two differ.
  Result<Secret> new_ca_passphrase() const;
  Result<Secret> ca_passphrase() const;
  Result<Secret> organisation_passphrase() const;
  // Asks for a word to be typed. Code::denied if another one was typed.
  Status confirm(std::string_view prompt, std::string_view word) const;
  // Asks for the key_id of a key that will be lost. Code::denied if another one was typed.
  Status confirm_key_id(ByteView key_id) const;

 private:
  Descriptors descriptors_;
};

}  // namespace coprotect::provisioning
