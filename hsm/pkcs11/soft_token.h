#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "hsm/pkcs11/soft_object.h"

namespace coprotect::hsm::pkcs11 {

// The folder where SoftHSM2 keeps its tokens, one subfolder each, according to its configuration
// (SOFTHSM2_CONF). None if it keeps them in databases, or there is no configuration. Code::unavailable if the
// configuration cannot be read.
Result<std::optional<std::filesystem::path>> soft_tokens();

// The files of a SoftHSM2 token, except those that only serve as locks and are always empty.
struct SoftToken {
  std::string folder;                  // the name of the token's own folder: a UUID
  std::map<std::string, Bytes> files;  // by name

  static constexpr const char* kTokenFile = "token.object";
  // Whether a file of this name is an object or the token itself.
  static bool is_object(const std::string& name) { return name.ends_with(".object"); }

  // Reads the files in a token's folder, each while no other program writes to it.
  static Result<SoftToken> read(const std::filesystem::path& folder);
  // The token with this serial number among the subfolders for which `may_look` is true. Code::not_found if
  // there is none, Code::unavailable if one that cannot be read may be it.
  using MayLook = std::function<bool(const std::filesystem::path& folder)>;
  static Result<SoftToken> find(const std::filesystem::path& tokens, std::string_view serial,
                                const MayLook& may_look);

  // Its serial number; empty if its own file is damaged.
  std::string serial() const;

  // The damage to these files compared with an older state: an object that is empty, cut off, or lacks
  // attributes that it had, or a token without its own file. None if all is well, or if objects are missing
  // completely.
  std::optional<std::string> damage(const SoftToken& before) const;
  // The same without an older state: an object in an unknown format.
  std::optional<std::string> broken() const;
  // Whether another state of it has the same objects.
  bool same_as(const SoftToken& other) const;
  // How many objects of an older state are missing here or differ. Nothing in this project changes an object,
  // and only an erasure removes one. The token's own file does not count.
  std::size_t lacks_of(const SoftToken& before) const;
  // This state, with those objects taken from the older one.
  SoftToken with_all_of(const SoftToken& before) const;
  // The token without objects in an unknown format, whose writer was killed.
  SoftToken whole() const;

  // "CPTC" | version u8 = 1 | folder (text) | count u16, for each file, ascending: name (text) ‖ content lp4
  // | SHA-256 of all before
  Bytes encode() const;
  // Code::altered.
  static Result<SoftToken> parse(ByteView encoded);

 private:
  bool has_object_of(const SoftToken& before, const std::string& name) const;
};

}  // namespace coprotect::hsm::pkcs11
