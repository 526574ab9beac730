#pragma once

#include <functional>

#include "client/config.h"
#include "protocol/bundle/bundle.h"

namespace coprotect::client {

// Enough for thousands of handovers.
constexpr std::size_t kMaxBundleSize = std::size_t{8} << 20;

// Reads a bundle file and checks everything in it. Code::altered if any byte differs from what was signed.
// With a pin, Code::unauthenticated if it describes another key.
Result<protocol::Bundle> load_bundle(const std::filesystem::path& file,
                                     const std::optional<protocol::KeyId>& pin);

// Code::denied unless the bundle's key has this purpose: files, or Diffie–Hellman.
Status check_purpose(const protocol::Bundle& bundle, protocol::Purpose purpose);

// A client's identity towards agents.
struct Credentials {
  protocol::Certificate certificate;
  protocol::SigningKey key;
};
// Asks the user for the passphrase of an encrypted key.
using AskPassphrase = std::function<Result<Secret>()>;
// Code::malformed if the key does not match the certificate. Calls `ask` for an encrypted key's passphrase:
// Code::unauthenticated without `ask`, Code::wrong_code if the passphrase is wrong.
Result<Credentials> load_credentials(const Config& config, const AskPassphrase& ask = nullptr);
// Whether the key is encrypted.
Result<bool> key_is_encrypted(const Config& config);

}  // namespace coprotect::client
