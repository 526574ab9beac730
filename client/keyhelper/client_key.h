#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "client/enrolment.h"

namespace coprotect::keyhelper {

// The client's own key, which signs requests to agents. It is in a plain file, or encrypted under a
// passphrase, which is known between log_in() and log_out(). Safe from several threads.
class ClientKey {
 public:
  // Errors of load_credentials() if the file cannot be read.
  static Result<std::unique_ptr<ClientKey>> find(const client::Config& config);

  bool login_needed() const { return encrypted_; }
  bool logged_in() const;
  // Code::wrong_code if the passphrase does not open the key. For a plain key any passphrase is accepted.
  Status log_in(const Secret& passphrase);
  void log_out();

  // A copy of the credentials, for one connection. Code::unauthenticated if the passphrase is not known.
  Result<client::Credentials> credentials();

 private:
  ClientKey(const client::Config& config, bool encrypted) : config_(config), encrypted_(encrypted) {}

  client::Config config_;
  bool encrypted_;
  mutable std::mutex mutex_;
  std::optional<client::Credentials> open_;
};

}  // namespace coprotect::keyhelper
