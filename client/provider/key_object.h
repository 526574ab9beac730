#pragma once

#include <openssl/core.h>

#include <optional>

#include "client/provider/context.h"

namespace coprotect::provider {

enum class Kind { ec, dh };

struct Group {
  std::string name;  // "prime256v1", "ffdhe3072", …; of a foreign DH group maybe none
  Bytes prime;       // p, without leading zeros; empty for P-256. The generator is always 2.

  bool operator==(const Group& other) const {
    return prime == other.prime && (!prime.empty() || name == other.name);
  }
};

// What is behind an EVP_PKEY of type EC or DH here: a joint key, or somebody's public key that it is used
// with. Private parts are nowhere: a joint key is known by its key_id.
struct KeyObject {
  KeyObject(Context& its_context, Kind its_kind) : context(&its_context), kind(its_kind) {}
  // A joint key, or with its private half left out, its public key.
  KeyObject(Context& its_context, std::shared_ptr<const keyclient::Key> key, bool with_private_half);

  Context* context;
  Kind kind;
  std::shared_ptr<const keyclient::Key> joint;  // null: a public key
  std::optional<Group> group;
  Bytes value;  // the public one, as parse_point() or parse_residue() give it; empty: only a group so far

  // `selection`: OSSL_KEYMGMT_SELECT_….
  bool has(int selection) const;
  bool matches(const KeyObject& other, int selection) const;
  // A copy of these parts. The private half of a joint key goes with its public one or not at all.
  KeyObject part(int selection) const;
  // Takes a group and a public value from what another provider exports. A private key that comes with them
  // is not looked at: nothing here can use one.
  Status import(int selection, const OSSL_PARAM params[]);
  // Takes a public value into a known group, if there is none yet.
  Status set_value(ByteView encoded);
  Status get(OSSL_PARAM params[]) const;
  // Calls `callback` with the parts. Code::malformed for the private half of a joint key.
  Status give(int selection, OSSL_CALLBACK* callback, void* argument) const;
};

}  // namespace coprotect::provider
