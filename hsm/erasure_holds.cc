#include "hsm/erasure_holds.h"

#include <algorithm>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::hsm {
namespace {

namespace fs = std::filesystem;
using protocol::KeyId;

constexpr std::string_view kHold = "CPEH\x01";

std::optional<KeyId> key_named(const std::string& name) {
  const auto bytes = from_hex(name);
  KeyId key_id{};
  if (!bytes || bytes->size() != key_id.size() || to_hex(*bytes) != name) return std::nullopt;
  std::ranges::copy(*bytes, key_id.begin());
  return key_id;
}

}  // namespace

Bytes ErasureHold::encode() const {
  Writer w;
  w.literal(kHold).bytes(key_id).u64(number).u8(held ? 1 : 0);
  return std::move(w).take();
}

Result<ErasureHold> ErasureHold::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kHold);
  const auto key_id = r.array<sizeof(KeyId)>();
  const auto number = r.u64();
  const auto held = r.u8();
  if (!known || !key_id || !number || !held || *held > 1 || !r.empty())
    return Error(Code::malformed, "not a hold of an erasure of version 1");
  return ErasureHold{.key_id = *key_id, .number = *number, .held = *held == 1};
}

Result<ErasureHold> ErasureHolds::put(const KeyId& key_id, bool held, std::int64_t now_ms) const {
  auto number = static_cast<std::uint64_t>(std::max<std::int64_t>(now_ms, 1));
  const auto present = of(key_id);
  if (!present && present.error().code() == Code::unavailable) return present.error();
  if (present && *present) number = std::max(number, (*present)->number + 1);
  const ErasureHold next{.key_id = key_id, .number = number, .held = held};
  if (auto written = files_.write(folder_ / to_hex(key_id), next.encode()); !written)
    return std::move(written).error();
  return next;
}

Result<std::optional<ErasureHold>> ErasureHolds::of(const KeyId& key_id) const {
  const fs::path file = folder_ / to_hex(key_id);
  const auto content = files_.read(file);
  if (!content && content.error().code() == Code::not_found) return std::optional<ErasureHold>();
  if (!content) return content.error();
  const auto said = ErasureHold::parse(*content);
  if (!said) return Error(Code::altered, "\"" + file.string() + "\": " + said.error().message());
  // A statement of another key was put in its place.
  if (said->key_id != key_id) return Error(Code::altered, "\"" + file.string() + "\" is of another key");
  return std::optional(*said);
}

Result<std::vector<ErasureHolds::Entry>> ErasureHolds::all() const {
  std::vector<Entry> found;
  std::error_code failure;
  for (fs::directory_iterator entry(folder_, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const auto key_id = key_named(entry->path().filename().string());
    if (!key_id) continue;
    const auto said = of(*key_id);
    if (!said)
      found.push_back({*key_id, said.error()});
    else if (*said)
      found.push_back({*key_id, **said});
  }
  if (failure && failure != std::errc::no_such_file_or_directory)
    return Error(Code::unavailable, "cannot read \"" + folder_.string() + "\": " + failure.message());
  return found;
}

}  // namespace coprotect::hsm
