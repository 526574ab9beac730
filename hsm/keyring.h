#pragma once

#include <filesystem>

#include "hsm/token.h"
#include "protocol/crypto/ecdsa.h"

namespace coprotect::hsm {

// An agent's own secrets, in one file wrapped under a key that its token seals: the identity key (ECDSA
// P-256), a key that MACs the store's authorising rows, and a key that seals invitation secrets at rest. Held
// in locked memory while the agent runs. The file also names the token: only that token seals shares.
class Keyring {
 public:
  // Makes a new keyring and writes it durably to `file` (0600). Code::conflict if the file exists.
  static Result<Keyring> create(const Token& token, const std::filesystem::path& file, Random& random);
  static Result<Keyring> open(const Token& token, const std::filesystem::path& file);

  const protocol::SigningKey& identity() const { return identity_; }
  // The name of the token that seals this keyring (Token::named).
  const std::string& token_name() const { return token_name_; }
  // HMAC-SHA-256 under the row key.
  Digest mac(ByteView row) const;
  // Authenticated encryption for small secrets at rest; `context` states their purpose and is authenticated.
  Bytes wrap(std::string_view context, const Secret& plaintext, Random& random) const;
  Result<Secret> unwrap(std::string_view context, ByteView wrapped) const;

 private:
  Keyring(std::string token_name, protocol::SigningKey identity, Secret row_key, Secret wrap_key)
      : token_name_(std::move(token_name)),
        identity_(std::move(identity)),
        row_key_(std::move(row_key)),
        wrap_key_(std::move(wrap_key)) {}
  std::string token_name_;
  protocol::SigningKey identity_;
  Secret row_key_;
  Secret wrap_key_;
};

}  // namespace coprotect::hsm
