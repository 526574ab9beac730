#include "protocol/message/announcement.h"

#include <algorithm>
#include <set>

#include "protocol/crypto/hash.h"
#include "protocol/message/fields.h"
#include "protocol/message/malformed_handover.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kLayout = "CPHL\x01";
constexpr std::string_view kAnnouncement = "CPHW\x01";
constexpr std::string_view kNotice = "CPHN\x01";

std::optional<Layout::Holder> read_holder(Reader& r) {
  auto name = r.text();
  const auto count = r.u8();
  const auto indices = r.bytes(count.value_or(0));
  const auto organisation = read_public_key(r);
  const auto is_agent = read_flag(r);
  if (!name || !valid_party_name(*name) || !indices || !organisation || !is_agent) return std::nullopt;
  Layout::Holder holder{.name = *std::move(name),
                        .indices = to_bytes(*indices),
                        .organisation = *organisation,
                        .identity_key = std::nullopt,
                        .url = {}};
  if (!*is_agent) return holder;
  holder.identity_key = read_public_key(r);
  auto url = read_uri(r);
  if (!holder.identity_key || !url) return std::nullopt;
  holder.url = *std::move(url);
  return holder;
}

// Every index 1..n belongs to exactly one holder, whose indices ascend.
bool shares_out_all_indices(const Layout& layout) {
  std::set<std::uint8_t> seen;
  for (const Layout::Holder& holder : layout.holders) {
    if (holder.indices.empty() ||
        std::ranges::adjacent_find(holder.indices, std::greater_equal<>()) != holder.indices.end())
      return false;
    for (const std::uint8_t index : holder.indices)
      if (!seen.insert(index).second) return false;
  }
  return !seen.empty() && seen.size() <= kMaxShares && *seen.begin() == 1 && *seen.rbegin() == seen.size();
}

bool holders_are_distinct(const Layout& layout) {
  std::set<std::string> names;
  std::set<PublicKeyBytes> identity_keys;
  for (const Layout::Holder& holder : layout.holders) {
    if (!names.insert(holder.name).second) return false;
    if (holder.identity_key && !identity_keys.insert(*holder.identity_key).second) return false;
  }
  return true;
}

std::vector<const Layout::Holder*> recovery_holders(const Layout& layout) {
  std::vector<const Layout::Holder*> found;
  for (const Layout::Holder& holder : layout.holders)
    if (!holder.identity_key) found.push_back(&holder);
  return found;
}

// Whether parameters of that form exist (SPEC.md §5.1). Otherwise agents would report holders that no plan
// can have.
bool is_of_parameters(const Layout& layout) {
  if (!shares_out_all_indices(layout) || !holders_are_distinct(layout)) return false;
  std::size_t n = 0;
  for (const Layout::Holder& holder : layout.holders) n += holder.indices.size();
  if (layout.t < 1 || layout.t > n) return false;
  const auto recovery = recovery_holders(layout);
  return recovery.empty() || (recovery.size() == 1 && recovery.front()->indices.size() == 1);
}

}  // namespace

Layout Layout::of(const Parameters& parameters) {
  Layout layout{.t = parameters->t, .holders = {}};
  for (const Party& party : parameters->parties) {
    Holder holder{.name = party.name,
                  .indices = party.indices,
                  .organisation = party.organisation.organisation_key(),
                  .identity_key = std::nullopt,
                  .url = {}};
    if (party.is_agent()) {
      holder.identity_key = party.identity_key.bytes();
      holder.url = party.url;
    }
    layout.holders.push_back(std::move(holder));
  }
  return layout;
}

Bytes Layout::encode() const {
  Writer w;
  w.literal(kLayout).u8(t).u8(static_cast<std::uint8_t>(holders.size()));
  for (const Holder& holder : holders) {
    w.lp(holder.name).u8(static_cast<std::uint8_t>(holder.indices.size())).bytes(holder.indices);
    w.bytes(holder.organisation);
    w.u8(holder.identity_key ? 1 : 0);
    if (holder.identity_key) w.bytes(*holder.identity_key).lp(holder.url);
  }
  return std::move(w).take();
}

Result<Layout> Layout::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kLayout);
  const auto t = r.u8();
  const auto count = r.u8();
  if (!known || !t || !count || *count == 0 || *count > kMaxShares) return malformed_handover("a layout");
  Layout layout{.t = *t, .holders = {}};
  for (std::uint8_t i = 0; i < *count; ++i) {
    auto holder = read_holder(r);
    if (!holder) return malformed_handover("a layout");
    layout.holders.push_back(*std::move(holder));
  }
  if (!r.empty()) return malformed_handover("a layout");
  if (!is_of_parameters(layout))
    return Error(Code::malformed, "handover: a layout that no parameters of a key can have");
  return layout;
}

Announcement Announcement::of(const Parameters& parameters) {
  return {.layout = Layout::of(parameters), .recovery_key = parameters->recovery_key};
}

Bytes Announcement::encode() const {
  Writer w;
  w.literal(kAnnouncement).lp4(layout.encode()).lp(recovery_key ? ByteView(*recovery_key) : ByteView());
  return std::move(w).take();
}

Result<Announcement> Announcement::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kAnnouncement);
  const auto encoded_layout = r.lp4();
  const auto key = r.lp();
  if (!known || !encoded_layout || !key || !r.empty()) return malformed_handover("an announcement");
  auto layout = Layout::parse(*encoded_layout);
  if (!layout) return std::move(layout).error();
  Announcement announcement{.layout = *std::move(layout), .recovery_key = std::nullopt};
  if (key->empty() != recovery_holders(announcement.layout).empty())
    return Error(
        Code::malformed,
        "handover: an announcement of a recovery key without a recovery party, or the other way round");
  if (key->empty()) return announcement;
  announcement.recovery_key = Reader(*key).array<65>();
  if (!announcement.recovery_key || key->size() != announcement.recovery_key->size() ||
      !is_hpke_public_key(*announcement.recovery_key))
    return malformed_handover("an announcement");
  return announcement;
}

Digest HandoverNotice::hash() const {
  return tagged_hash("CPV1-NOTICE", {sha256(what.encode()), announcer});
}

Bytes HandoverNotice::encode() const {
  Writer w;
  w.literal(kNotice).lp4(what.encode()).bytes(announcer).lp(client);
  write_time(w, not_before_ms);
  w.u64(static_cast<std::uint64_t>(running_left_ms)).u8(vetoed ? 1 : 0);
  return std::move(w).take();
}

Result<HandoverNotice> HandoverNotice::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kNotice);
  const auto encoded_what = r.lp4();
  const auto announcer = r.array<32>();
  auto client = read_uri(r);
  const auto not_before_ms = read_time(r);
  const auto running_left_ms = read_time(r);
  const auto vetoed = read_flag(r);
  if (!known || !encoded_what || !announcer || !client || !not_before_ms || !running_left_ms || !vetoed ||
      !r.empty())
    return malformed_handover("a notice");
  auto what = Announcement::parse(*encoded_what);
  if (!what) return std::move(what).error();
  return HandoverNotice{.what = *std::move(what),
                        .announcer = *announcer,
                        .client = *std::move(client),
                        .not_before_ms = *not_before_ms,
                        .running_left_ms = *running_left_ms,
                        .vetoed = *vetoed};
}

}  // namespace coprotect::protocol
