#pragma once

#include <openssl/core.h>

#include <optional>

#include "client/provider/context.h"

namespace coprotect::provider {

enum class Kind { ec, dh };

struct Group {
  std::string name;  // "prime256v1", "ffdhe3072", …; may be empty for a foreign DH group
  Bytes prime;       // p, without leading zeros; empty for P-256. The generator is always 2.

  bool operator==(const Group& other) const {
    return prime == other.prime && (!prime.empty() || name == other.name);
  }
};

// The object behind an EVP_PKEY of type EC or DH: a joint key, or a public key that it is used with. It never
// holds a private key: a joint key is identified by its key_id.
struct KeyObject {
  KeyObject(Context& its_context, Kind its_kind) : context(&its_context), kind(its_kind) {}
  // A joint key, or only its public key if the private half is left out.
  KeyObject(Context& its_context, std::shared_ptr<const keyclient::Key> key, bool with_private_half);

  Context* context;
  Kind kind;
  std::shared_ptr<const keyclient::Key> joint;  // null: a public key
  std::optional<Group> group;
  Bytes value;  // the public value from parse_point() or parse_residue(); empty: only a group so far

  // `selection`: OSSL_KEYMGMT_SELECT_….
  bool has(int selection) const;
  bool matches(const KeyObject& other, int selection) const;
  // A copy of these parts. The private half of a joint key is copied only with its public half.
  KeyObject part(int selection) const;
  // Imports a group and a public value that another provider exports. Ignores a private key beside them,
  // because nothing here can use one.
  Status import(int selection, const OSSL_PARAM params[]);
  // Sets the public value in a known group, if there is none yet.
  Status set_value(ByteView encoded);
  Status get(OSSL_PARAM params[]) const;
  // Calls `callback` with the parts. Code::malformed for the private half of a joint key.
  Status give(int selection, OSSL_CALLBACK* callback, void* argument) const;
};

}  // namespace coprotect::provider
