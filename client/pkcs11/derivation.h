#pragma once

#include <span>

#include "client/pkcs11/token.h"

namespace coprotect::pkcs11 {

// What a C_DeriveKey asks for: the derivation, and the secret key that is to come out of it, still without
// its value. The derivation points into the caller's mechanism.
struct DeriveRequest {
  keyclient::Derivation derivation;
  Object key;
};

// Reads CKM_ECDH1_DERIVE (CKD_NULL or an X9.63 KDF) or CKM_DH_PKCS_DERIVE (PKCS#11 2.40, mechanisms §2.3.8
// and §2.6.6) and the template for the new key. Without CKA_VALUE_LEN the key is as long as the shared
// secret, or as its type is where that has one length. Attributes that mean nothing to a secret are kept as
// they are given.
CK_RV read_derive_request(const Token& token, const CK_MECHANISM& mechanism,
                          std::span<const CK_ATTRIBUTE> wanted, DeriveRequest& request);

// The finished key.
void set_value(Object& key, ByteView value);

}  // namespace coprotect::pkcs11
