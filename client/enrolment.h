#pragma once

#include "client/config.h"
#include "protocol/dkg/bundle.h"

namespace coprotect::client {

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
// Code::malformed if the key is not the certificate's.
Result<Credentials> load_credentials(const Config& config);

}  // namespace coprotect::client
