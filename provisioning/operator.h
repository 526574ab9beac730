#pragma once

#include <optional>
#include <string_view>

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::provisioning {

// The person, or the script, that runs the tool. Secrets go through the terminal without echo, or through
// file descriptors that the caller opened for them, into and out of locked memory.
class Operator {
 public:
  // Where a secret comes from or goes to instead of the terminal.
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

  // Shows the recovery code, once. On a terminal waits until it is written down and takes it off the screen
  // again.
  Status show_code(const Secret& code) const;
  // The code as the operator typed it. Each call reads one line.
  Result<Secret> retyped_code() const;
  // The code that opens a recovery kit. Each call reads one line.
  Result<Secret> recovery_code() const;
  // The same person, asked for the code of a second kit.
  Operator with_code_of_ca_kit() const {
    Descriptors descriptors = descriptors_;
    descriptors.code = descriptors.ca_code;
    return Operator(descriptors);
  }
  // How often it is worth asking: a descriptor has one answer, a person three.
  int code_tries() const { return descriptors_.code ? 1 : 3; }
  // Typed twice on a terminal. Code::wrong_code if the two differ.
  Result<Secret> new_ca_passphrase() const;
  Result<Secret> ca_passphrase() const;
  Result<Secret> organisation_passphrase() const;
  // Has a word typed. Code::denied if another one was.
  Status confirm(std::string_view prompt, std::string_view word) const;
  // Has the key_id typed of a key that is to be lost. Code::denied if another one was.
  Status confirm_key_id(ByteView key_id) const;

 private:
  Descriptors descriptors_;
};

}  // namespace coprotect::provisioning
