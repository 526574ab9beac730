#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "hsm/pkcs11/soft_object.h"

namespace coprotect::hsm::pkcs11 {

// Where SoftHSM2 keeps its tokens, a folder for each, as its configuration says (SOFTHSM2_CONF). None if it
// keeps them in databases, or there is no configuration. Code::unavailable if it cannot be read.
Result<std::optional<std::filesystem::path>> soft_tokens();

// The files of a SoftHSM2 token, without those that are only locked and always empty.
struct SoftToken {
  std::string folder;                  // the name of the token's own folder: a UUID
  std::map<std::string, Bytes> files;  // by name

  static constexpr const char* kTokenFile = "token.object";
  // Whether a file of this name is an object, or the token itself.
  static bool is_object(const std::string& name) { return name.ends_with(".object"); }

  // Reads the files in a token's folder, each while no other program writes to it.
  static Result<SoftToken> read(const std::filesystem::path& folder);
  // The token with this serial number among those in this folder that may be looked at. Code::not_found if
  // all were, Code::unavailable if it may be one that cannot be read.
  using MayLook = std::function<bool(const std::filesystem::path& folder)>;
  static Result<SoftToken> find(const std::filesystem::path& tokens, std::string_view serial,
                                const MayLook& may_look);

  // Its serial number; empty if its own file is not whole.
  std::string serial() const;

  // What is wrong with these files, seen beside an older state of them: an object that is empty, cut off, or
  // lacks what it had, or a token without its own file. None if all is well, or if objects are gone
  // altogether.
  std::optional<std::string> damage(const SoftToken& before) const;
  // The same of files that nothing is known of: an object of no known form.
  std::optional<std::string> broken() const;
  // Whether another state of it has the same objects.
  bool same_as(const SoftToken& other) const;
  // How many of an older state's objects are gone or are others here. Nothing that this project does changes
  // an object, and only an erasure removes one. The token's own file does not count.
  std::size_t lacks_of(const SoftToken& before) const;
  // With those of the older state in their place.
  SoftToken with_all_of(const SoftToken& before) const;
  // Without the objects that are of no known form: what was being made when its maker was killed.
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
