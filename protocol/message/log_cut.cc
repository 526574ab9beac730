#include "protocol/message/log_cut.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/fields.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kCut = "CPLC\x01";
constexpr std::string_view kArchive = "CPLA\x01";
constexpr std::size_t kHeadSize = 5 + 33 + 8 + 8 + 32 + 64;

Error not_a_cut() {
  return {Code::malformed, "not a log cut of version 1"};
}
Error not_an_archive(std::string_view why) {
  return {Code::altered, "not a log archive of version 1: " + std::string(why)};
}

Bytes signed_part(const LogCut& cut) {
  Writer w;
  w.literal(kCut).bytes(cut.identity_key).u64(cut.after).u64(cut.seq).bytes(cut.chain).u64(cut.count);
  w.bytes(cut.archive);
  write_time(w, cut.time_ms);
  return std::move(w).take();
}

Digest cut_digest(ByteView signed_bytes) {
  return tagged_hash("CPV1-LOG-CUT", {sha256(signed_bytes)});
}

std::optional<LogReply::Line> read_line(Reader& r) {
  const auto entry = r.lp4();
  if (!entry) return std::nullopt;
  const auto hash = entry->empty() ? r.array<32>() : sha256(*entry);
  if (!hash) return std::nullopt;
  return LogReply::Line{.entry = to_bytes(*entry), .hash = *hash};
}

std::optional<LogArchive> read_header(Reader& r) {
  if (!r.literal(kArchive)) return std::nullopt;
  const auto identity_key = r.array<33>();
  const auto after = r.u64();
  const auto before = r.array<32>();
  const auto count = r.u64();
  if (!identity_key || !after || !before || !count || *count == 0) return std::nullopt;
  return LogArchive{.identity_key = *identity_key, .after = *after, .before = *before, .count = *count};
}

}  // namespace

LogCut LogCut::sign(LogCut cut, const SigningKey& identity) {
  cut.identity_key = identity.public_key().bytes();
  cut.signature = identity.sign(cut_digest(signed_part(cut)));
  return cut;
}

Bytes LogCut::encode() const {
  Bytes encoded = signed_part(*this);
  encoded.insert(encoded.end(), signature.begin(), signature.end());
  return encoded;
}

Result<LogCut> LogCut::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kCut)) return not_a_cut();
  const auto identity_key = r.array<33>();
  const auto after = r.u64();
  const auto seq = r.u64();
  const auto chain = r.array<32>();
  const auto count = r.u64();
  const auto archive = r.array<32>();
  const auto time_ms = read_time(r);
  const ByteView signed_bytes = encoded.first(encoded.size() - r.size());
  const auto signature = r.array<64>();
  if (!identity_key || !after || !seq || !chain || !count || !archive || !time_ms || !signature || !r.empty())
    return not_a_cut();
  if (*seq <= *after || *count == 0 || *count > *seq - *after) return not_a_cut();
  const auto key = VerifyKey::parse(*identity_key);
  if (!key) return not_a_cut();
  if (!key->verify(cut_digest(signed_bytes), *signature))
    return Error(Code::unauthenticated, "log cut: signature does not hold");
  return LogCut{.identity_key = *identity_key,
                .after = *after,
                .seq = *seq,
                .chain = *chain,
                .count = *count,
                .archive = *archive,
                .time_ms = *time_ms,
                .signature = *signature};
}

Result<std::optional<LogEntry>> LogWalk::take(const LogReply::Line& line) {
  const std::uint64_t next = seq_ + 1;
  const std::string here = "entry " + std::to_string(next);
  if (line.entry.empty()) {
    seq_ = next;
    chain_ = chain_next(chain_, line.hash);
    after_hash_ = true;
    return std::optional<LogEntry>();
  }
  auto entry = LogEntry::parse(line.entry);
  if (!entry) return Error(Code::altered, here + ": " + entry.error().message());
  // An entry known only by its hash may have been damaged, and may be of kind store.
  const bool says_lost = (entry->kind == EntryKind::store || after_hash_) && entry->seq >= next;
  if (entry->seq != next && !says_lost) return Error(Code::altered, here + " has another number");
  after_hash_ = false;
  lost_ += entry->seq - next;
  seq_ = entry->seq;
  chain_ = chain_next(chain_, sha256(line.entry));
  return std::optional(*std::move(entry));
}

Bytes LogArchive::header() const {
  Writer w;
  w.literal(kArchive).bytes(identity_key).u64(after).bytes(before).u64(count);
  return std::move(w).take();
}

Bytes LogArchive::line(const LogReply::Line& line) {
  Writer w;
  w.lp4(line.entry);
  if (line.entry.empty()) w.bytes(line.hash);
  return std::move(w).take();
}

Result<std::pair<LogArchive, LogHead>> LogArchive::read(ByteView encoded, const Visit& visit) {
  Reader r(encoded);
  const auto archive = read_header(r);
  if (!archive) return not_an_archive("its header");
  LogWalk walk(archive->after, archive->before);
  for (std::uint64_t i = 0; i < archive->count; ++i) {
    const auto line = read_line(r);
    if (!line) return not_an_archive("it is cut off after entry " + std::to_string(walk.seq()));
    const auto entry = walk.take(*line);
    if (!entry) return entry.error();
    if (auto visited = visit(*line, *entry); !visited) return std::move(visited).error();
  }
  if (r.size() != kHeadSize) return not_an_archive("its end");
  const auto head = LogHead::parse(encoded.last(kHeadSize));
  if (!head) return Error(Code::altered, head.error().message());
  if (head->identity_key != archive->identity_key)
    return Error(Code::altered, "its head is signed by another agent than its header names");
  if (head->seq != walk.seq() || head->chain != walk.chain())
    return Error(Code::altered,
                 "an entry was changed, added or left out before entry " + std::to_string(walk.seq()));
  return std::pair(*archive, *head);
}

}  // namespace coprotect::protocol
