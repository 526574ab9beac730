#pragma once

#include <span>

#include "client/pkcs11/token.h"

namespace coprotect::pkcs11 {

// The request of a C_DeriveKey: the derivation, and the resulting secret key, still without its value. The
// derivation points into the caller's mechanism.
struct DeriveRequest {
  keyclient::Derivation derivation;
  Object key;
};

// Reads CKM_ECDH1_DERIVE (CKD_NULL or an X9.63 KDF) or CKM_DH_PKCS_DERIVE (PKCS#11 2.40, mechanisms §2.3.8
// and §2.6.6) and the template for the new key. Without CKA_VALUE_LEN the key has the only length of its type
// if there is one, else that of the shared secret. Attributes without a meaning for a secret key are kept as
// given.
CK_RV read_derive_request(const Token& token, const CK_MECHANISM& mechanism,
                          std::span<const CK_ATTRIBUTE> wanted, DeriveRequest& request);

// The finished key.
void set_value(Object& key, ByteView value);

}  // namespace coprotect::pkcs11
