#include "hsm/pkcs11/soft_token.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "hsm/durable_file.h"
#include "protocol/base/fd.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::hsm::pkcs11 {
namespace {

namespace fs = std::filesystem;

constexpr std::uint8_t kCopyVersion = 1;
constexpr std::size_t kMaxFile = std::size_t{1} << 20;
constexpr std::size_t kMaxFiles = 10'000;
constexpr const char* kConfiguration = "/etc/softhsm/softhsm2.conf";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// The last value of a key; empty if it has none.
std::string setting(std::string_view configuration, std::string_view key) {
  std::string value;
  while (!configuration.empty()) {
    const auto end = configuration.find('\n');
    const auto line = configuration.substr(0, end);
    configuration.remove_prefix(end == std::string_view::npos ? configuration.size() : end + 1);
    const auto equals = line.find('=');
    if (equals != std::string_view::npos && trimmed(line.substr(0, equals)) == key)
      value = trimmed(line.substr(equals + 1));
  }
  return value;
}

// A name as SoftHSM2 uses. Checked because a copy names files that will be written.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && name.front() != '.' && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
  });
}

// SoftHSM2 holds its own lock on an object's file while it rewrites it in place.
Result<Bytes> read_in_turn(const fs::path& file) {
  constexpr std::chrono::milliseconds kLook(20);
  const Fd fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  if (!fd && (errno == ENOENT || errno == ENOTDIR))
    return Error(Code::not_found, "\"" + file.string() + "\" does not exist");
  for (int tries = 100; fd && fcntl(fd.get(), F_OFD_SETLK, &lock) != 0; --tries) {
    if (tries == 0 || (errno != EAGAIN && errno != EACCES))
      return Error(Code::unavailable, "another program keeps \"" + file.string() + "\" locked");
    std::this_thread::sleep_for(kLook);
  }
  return read_file(file, kMaxFile);
}

std::optional<SoftObject> parsed(const std::map<std::string, Bytes>& files, const std::string& name) {
  const auto found = files.find(name);
  if (found == files.end()) return std::nullopt;
  auto object = SoftObject::parse(found->second);
  if (!object) return std::nullopt;
  return *std::move(object);
}

}  // namespace

Result<std::optional<fs::path>> soft_tokens() {
  using Where = std::optional<fs::path>;
  const char* const named = std::getenv("SOFTHSM2_CONF");
  const auto content = read_file(named != nullptr ? named : kConfiguration, kMaxFile);
  if (!content && content.error().code() == Code::not_found) return Where();
  if (!content) return Error(Code::unavailable, "SoftHSM2's configuration: " + content.error().message());
  const auto configuration = text_of(*content);
  if (const auto backend = setting(configuration, "objectstore.backend");
      !backend.empty() && backend != "file")
    return Where();
  const auto tokens = setting(configuration, "directories.tokendir");
  return tokens.empty() ? Where() : Where(tokens);
}

Result<SoftToken> SoftToken::read(const fs::path& folder) {
  SoftToken token{.folder = folder.filename().string(), .files = {}};
  std::error_code failure;
  fs::directory_iterator entries(folder, failure);
  for (; !failure && entries != fs::directory_iterator(); entries.increment(failure)) {
    const std::string name = entries->path().filename().string();
    if (!is_plain_name(name) || name.ends_with(".lock")) continue;
    auto content = read_in_turn(entries->path());
    if (!content && content.error().code() == Code::not_found) continue;  // destroyed meanwhile
    if (!content) return std::move(content).error();
    token.files.emplace(name, *std::move(content));
  }
  if (failure)
    return Error(failure == std::errc::no_such_file_or_directory ? Code::not_found : Code::unavailable,
                 "cannot read \"" + folder.string() + "\": " + failure.message());
  return token;
}

Result<SoftToken> SoftToken::find(const fs::path& tokens, std::string_view serial, const MayLook& may_look) {
  std::error_code failure;
  fs::directory_iterator entries(tokens, failure);
  Error missing(Code::not_found,
                "no token in \"" + tokens.string() + "\" has serial number " + std::string(serial));
  for (; !failure && entries != fs::directory_iterator(); entries.increment(failure)) {
    if (!may_look(entries->path())) continue;
    const auto content = read_in_turn(entries->path() / kTokenFile);
    const auto object = content ? SoftObject::parse(*content) : content.error();
    if (object && text_of(object->text(SoftObject::kTokenSerial)) == serial) return read(entries->path());
    // This may be the one.
    if (!object && object.error().code() != Code::not_found)
      missing = Error(Code::unavailable, "\"" + entries->path().string() + "\": " + object.error().message());
  }
  if (failure && failure != std::errc::no_such_file_or_directory)
    return Error(Code::unavailable, "cannot read \"" + tokens.string() + "\": " + failure.message());
  return missing;
}

std::string SoftToken::serial() const {
  const auto token = parsed(files, kTokenFile);
  return token ? std::string(text_of(token->text(SoftObject::kTokenSerial))) : std::string();
}

std::optional<std::string> SoftToken::damage(const SoftToken& before) const {
  if (!files.contains(kTokenFile)) return std::string(kTokenFile) + " is missing";
  for (const auto& [name, content] : files) {
    const auto known = parsed(before.files, name);
    if (!is_object(name) || !known) continue;
    const auto object = SoftObject::parse(content);
    if (!object) return name + ": " + object.error().message();
    if (!object->has_all_of(*known)) return name + ": it is cut off";
  }
  return std::nullopt;
}

std::optional<std::string> SoftToken::broken() const {
  for (const auto& [name, content] : files)
    if (is_object(name))
      if (const auto object = SoftObject::parse(content); !object)
        return name + ": " + object.error().message();
  return files.empty() || files.contains(kTokenFile) ? std::nullopt
                                                     : std::optional(kTokenFile + std::string(" is missing"));
}

bool SoftToken::same_as(const SoftToken& other) const {
  const auto has_all_of = [](const SoftToken& one, const SoftToken& another) {
    return std::ranges::all_of(another.files, [&](const auto& file) {
      if (!is_object(file.first)) return true;
      const auto here = parsed(one.files, file.first);
      const auto there = parsed(another.files, file.first);
      return here && there && here->same_as(*there);
    });
  };
  return folder == other.folder && has_all_of(*this, other) && has_all_of(other, *this);
}

bool SoftToken::has_object_of(const SoftToken& before, const std::string& name) const {
  if (!is_object(name) || name == kTokenFile) return true;
  const auto here = parsed(files, name);
  const auto there = parsed(before.files, name);
  return !there || (here && here->same_as(*there));
}

std::size_t SoftToken::lacks_of(const SoftToken& before) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      before.files, [&](const auto& file) { return !has_object_of(before, file.first); }));
}

SoftToken SoftToken::with_all_of(const SoftToken& before) const {
  SoftToken token = *this;
  for (const auto& [name, content] : before.files)
    if (!has_object_of(before, name)) token.files.insert_or_assign(name, content);
  return token;
}

SoftToken SoftToken::whole() const {
  SoftToken token = *this;
  std::erase_if(token.files,
                [](const auto& file) { return is_object(file.first) && !SoftObject::parse(file.second); });
  return token;
}

Bytes SoftToken::encode() const {
  Writer w;
  w.literal("CPTC").u8(kCopyVersion).lp(folder).u16(static_cast<std::uint16_t>(files.size()));
  for (const auto& [name, content] : files) w.lp(name).lp4(content);
  w.bytes(protocol::sha256(w.view()));
  return std::move(w).take();
}

Result<SoftToken> SoftToken::parse(ByteView encoded) {
  const Error altered(Code::altered, "not a copy of a token's files");
  Digest sum;
  if (encoded.size() < sum.size()) return altered;
  sum = protocol::sha256(encoded.first(encoded.size() - sum.size()));
  if (!std::ranges::equal(sum, encoded.last(sum.size()))) return altered;
  Reader reader(encoded.first(encoded.size() - sum.size()));
  const bool magic = reader.literal("CPTC") && reader.u8() == kCopyVersion;
  auto folder = reader.text();
  const auto count = reader.u16();
  if (!magic || !folder || !is_plain_name(*folder) || !count || *count > kMaxFiles) return altered;
  SoftToken token{.folder = *std::move(folder), .files = {}};
  for (std::uint16_t i = 0; i < *count; ++i) {
    auto name = reader.text();
    const auto content = reader.lp4();
    if (!name || !is_plain_name(*name) || !content || content->size() > kMaxFile) return altered;
    if (!token.files.empty() && *name <= token.files.rbegin()->first) return altered;
    token.files.emplace(*std::move(name), Bytes(content->begin(), content->end()));
  }
  if (!reader.empty() || !token.files.contains(kTokenFile)) return altered;
  return token;
}

}  // namespace coprotect::hsm::pkcs11
