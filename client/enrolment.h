#pragma once

#include <functional>

#include "client/config.h"
#include "protocol/bundle/bundle.h"

namespace coprotect::client {

// Thousands of handovers.
constexpr std::size_t kMaxBundleSize = std::size_t{8} << 20;

// Reads a bundle file and checks everything in it: Code::altered if a byte of it is not as it was signed.
// With a pin, Code::unauthenticated if it describes another key.
Result<protocol::Bundle> load_bundle(const std::filesystem::path& file,
                                     const std::optional<protocol::KeyId>& pin);

// Code::denied unless the bundle's key is for this purpose: files, or Diffie–Hellman.
Status check_purpose(const protocol::Bundle& bundle, protocol::Purpose purpose);

// What agents know a client by.
struct Credentials {
  protocol::Certificate certificate;
  protocol::SigningKey key;
};
// Asks for the passphrase of an encrypted key.
using AskPassphrase = std::function<Result<Secret>()>;
// Code::malformed if the key is not the certificate's. An encrypted key's passphrase is asked for; without
// `ask` that is Code::unauthenticated, and Code::wrong_code if it is not the one.
Result<Credentials> load_credentials(const Config& config, const AskPassphrase& ask = nullptr);
// Whether the key is encrypted.
Result<bool> key_is_encrypted(const Config& config);

}  // namespace coprotect::client
