#include "provisioning/log.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "protocol/crypto/hash.h"
#include "provisioning/clock.h"
#include "provisioning/durable.h"
#include "provisioning/log_archive.h"
#include "provisioning/log_format.h"
#include "provisioning/report.h"
#include "provisioning/signed_link.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

constexpr std::uint16_t kPage = 1000;
constexpr std::chrono::seconds kLogDeadline{60};

struct ArchiveOfAgent {
  fs::path file;
  protocol::LogArchive archive;
  protocol::LogHead head;
};

// Whether the archive contains, at that number, what the agent signed under the head.
Result<bool> leads_through(const ArchiveOfAgent& one, const protocol::LogHead& head) {
  protocol::LogWalk walk(one.archive.after, one.archive.before);
  bool found = false;
  const auto read = read_archive(one.file, [&](const protocol::LogReply::Line& line, const auto&) {
    auto taken = walk.take(line);
    if (!taken) return Status(std::move(taken).error());
    found = found || (walk.seq() == head.seq && walk.chain() == head.chain);
    return Status(Done{});
  });
  if (!read) return read.error();
  return found;
}

Error two_histories(const std::string& party, const fs::path& one, const fs::path& other) {
  return with_hint(Error(Code::altered, "archives \"" + one.string() + "\" and \"" + other.string() +
                                            "\" are of two histories of the " + party + " agent"),
                   "the agent signed both: keep them");
}

Result<protocol::LogReply> fetch_page(SignedLink& link, std::uint64_t from, Random& random) {
  const auto plaintext = link.ask("log", protocol::LogBody{.from = from, .limit = kPage}, "log", random);
  if (!plaintext) return plaintext.error();
  auto reply = protocol::LogReply::parse(plaintext->reveal());
  if (!reply) return std::move(reply).error().in(link.party() + " agent's reply");
  return reply;
}

}  // namespace

Result<std::vector<fs::path>> archives_of(const protocol::Party& party,
                                          const std::vector<fs::path>& archives) {
  std::vector<ArchiveOfAgent> own;
  for (const fs::path& file : archives) {
    const auto read = read_archive(file, [](const auto&, const auto&) { return Status(Done{}); });
    if (!read) return read.error();
    if (read->archive.identity_key == party.identity_key.bytes())
      own.push_back({.file = file, .archive = read->archive, .head = read->head});
  }
  std::ranges::stable_sort(own, [](const ArchiveOfAgent& a, const ArchiveOfAgent& b) {
    return std::pair(a.archive.after, b.head.seq) < std::pair(b.archive.after, a.head.seq);
  });
  std::vector<fs::path> files;
  const ArchiveOfAgent* last = nullptr;
  for (const ArchiveOfAgent& next : own) {
    if (last == nullptr || next.head.seq > last->head.seq) {
      files.push_back(next.file);
      last = &next;
      continue;
    }
    const auto same = leads_through(*last, next.head);
    if (!same) return same.error();
    if (!*same) return two_histories(party.name, last->file, next.file);
  }
  return files;
}

LogChecker::LogChecker(std::string party, const protocol::VerifyKey& identity,
                       std::vector<protocol::LogHead> read)
    : party_(std::move(party)), identity_(identity), read_(std::move(read)) {}

Error LogChecker::altered(std::string_view what) const {
  return {Code::altered, party_ + " agent's log does not verify: " + std::string(what)};
}

Result<bool> LogChecker::take(const protocol::LogReply& page) {
  auto head = protocol::LogHead::parse(page.head);
  if (!head) return altered(head.error().message());
  if (head->identity_key != identity_.bytes())
    return altered("its head is signed by another key than the bundle's");
  if (!goal_) goal_ = *head;
  for (const protocol::LogHead& read : read_)
    if (goal_->seq < read.seq)
      return altered("it ends at entry " + std::to_string(goal_->seq) + ", and was read up to entry " +
                     std::to_string(read.seq) + " before");
  if (head->seq < goal_->seq) return altered("its head went back");
  if (!page.cut.empty())
    if (auto taken = take_cut(page.cut); !taken) return std::move(taken).error();
  if (page.before != walk_.chain())
    return altered("entry " + std::to_string(next()) + " does not follow the one before");
  if (page.lines.empty() && walk_.seq() < goal_->seq)
    return altered("entry " + std::to_string(next()) + " is missing");

  for (const protocol::LogReply::Line& line : page.lines) {
    // Entries written since this reader began, including its own requests, are for the next reader.
    if (walk_.seq() == goal_->seq) {
      if (head->seq == goal_->seq) return altered("it goes on after its head");
      break;
    }
    if (auto taken = take(line); !taken) return std::move(taken).error();
    if (walk_.seq() > goal_->seq || (walk_.seq() == goal_->seq && walk_.chain() != goal_->chain))
      return altered("an entry was changed, added or left out before entry " + std::to_string(walk_.seq()));
  }
  return walk_.seq() == goal_->seq;
}

// A log may begin with a cut, but not contain one later.
Status LogChecker::take_cut(ByteView encoded) {
  auto cut = protocol::LogCut::parse(encoded);
  if (!cut) return altered(cut.error().message());
  if (cut->identity_key != identity_.bytes())
    return altered("its cut is signed by another key than the bundle's");
  const std::uint64_t read = walk_.seq();
  if (cut->seq <= read) return altered("it is cut before entry " + std::to_string(next()));
  if (read > 0)
    return archived_ == read && cut_ == std::nullopt
               ? Error(Code::not_found, party_ + " agent's log: the archive of entries " +
                                            std::to_string(next()) + ".." + std::to_string(cut->seq) +
                                            " is missing")
               : Error(Code::unavailable, party_ + " agent's log was cut while it was read: read it again");
  if (goal_->seq <= cut->seq) return altered("it is cut after its head");
  walk_ = protocol::LogWalk(cut->seq, cut->chain);
  not_read_ = cut->seq;
  cut_ = *std::move(cut);
  return compare_with_read(not_read_ - 1);
}

Status LogChecker::take_archive(const fs::path& file, const std::string& tenant) {
  invariant(!goal_);
  const auto whole = read_archive(file, [](const auto&, const auto&) { return Status(Done{}); });
  if (!whole) return whole.error();
  const protocol::LogArchive& archive = whole->archive;
  if (archive.identity_key != identity_.bytes())
    return altered("\"" + file.string() + "\" is signed by another key than the bundle's");
  // The first available archive may follow others. Its signed end vouches for its beginning.
  if (archived_ == 0 && archive.after > 0) {
    walk_ = protocol::LogWalk(archive.after, archive.before);
    not_read_ = archive.after;
    if (auto same = compare_with_read(not_read_ - 1); !same) return same;
  }
  if (archive.after > walk_.seq())
    return Error(Code::conflict, "archive \"" + file.string() + "\" begins after entry " +
                                     std::to_string(archive.after) + ", the one before it ends with entry " +
                                     std::to_string(walk_.seq()));
  std::uint64_t by_hash = 0;
  // It may begin within the previous one.
  protocol::LogWalk within(archive.after, archive.before);
  const auto meets = [&] { return within.seq() == walk_.seq() && within.chain() == walk_.chain(); };
  bool met = meets();
  const auto taken = read_archive(file, [&](const protocol::LogReply::Line& line, const auto& entry) {
    if (!met) {
      auto stepped = within.take(line);
      met = meets();
      return stepped ? Status(Done{}) : Status(std::move(stepped).error());
    }
    if (!entry) ++by_hash;
    const bool own = entry && (entry->tenant == tenant || entry->kind == protocol::EntryKind::store);
    return take({.entry = own ? line.entry : Bytes{}, .hash = line.hash});
  });
  if (!taken) return taken.error();
  if (taken->hash != whole->hash) return altered("\"" + file.string() + "\" changed while it was read");
  if (!met) return altered("\"" + file.string() + "\" is of another history than the archive before it");
  archived_ = walk_.seq();
  if (by_hash > 0) redacted_.push_back({.file = file, .hash = taken->hash, .entries = by_hash});
  return Done{};
}

Status LogChecker::check_archives() const {
  for (const Redacted& archive : redacted_) {
    const std::string hash = to_hex(archive.hash);
    const auto names = [&](const protocol::LogEntry& entry) {
      return entry.kind == protocol::EntryKind::store && entry.detail.find(hash) != std::string::npos;
    };
    if ((cut_ && cut_->archive == archive.hash) || std::ranges::any_of(entries_, names)) continue;
    return with_hint(altered("\"" + archive.file.string() + "\" has " + std::to_string(archive.entries) +
                             " entries by their hashes alone, which may be your own, and the agent signed "
                             "no archive with its SHA-256 " +
                             hash),
                     "use the file that archive-log made");
  }
  return Done{};
}

Status LogChecker::take(const protocol::LogReply::Line& line) {
  const std::uint64_t before = walk_.seq();
  auto entry = walk_.take(line);
  if (!entry) return altered(entry.error().message());
  if (*entry)
    entries_.push_back(**std::move(entry));
  else
    ++foreign_;
  return compare_with_read(before);
}

Status LogChecker::compare_with_read(std::uint64_t before) {
  bool same = true;
  std::erase_if(read_, [&](const protocol::LogHead& read) {
    if (read.seq <= before || read.seq > walk_.seq()) return false;
    const bool lost = read.seq < walk_.seq();
    lost_what_was_read_ = lost_what_was_read_ || lost;
    same = same && (lost || read.chain == walk_.chain());
    if (!lost) compared_.push_back(read);
    return true;
  });
  if (same) return Done{};
  return altered("up to entry " + std::to_string(walk_.seq()) + " it is another one than was read before");
}

VerifiedLog LogChecker::finish() && {
  invariant(goal_.has_value() && walk_.seq() == goal_->seq);
  return {.party = std::move(party_),
          .head = std::move(*goal_),
          .entries = std::move(entries_),
          .foreign = foreign_,
          .lost = walk_.lost(),
          .lost_what_was_read = lost_what_was_read_,
          .cut = std::move(cut_),
          .archived = archived_,
          .not_read = not_read_,
          .compared = std::move(compared_),
          .not_compared = std::move(read_)};
}

Result<VerifiedLog> fetch_log(const ClientDirectory& administrator, const protocol::Party& party,
                              const std::vector<protocol::LogHead>& read,
                              const std::vector<fs::path>& archives, Random& random) {
  SignedLink link(administrator.bundle, party, administrator, kLogDeadline);
  LogChecker checker(party.name, party.identity_key, read);
  auto own = archives_of(party, archives);
  if (!own) return std::move(own).error();
  for (const fs::path& file : *own)
    if (auto taken = checker.take_archive(file, administrator.bundle.parameters()->tenant); !taken)
      return std::move(taken).error();
  for (;;) {
    auto page = fetch_page(link, checker.next(), random);
    if (!page) return std::move(page).error();
    auto complete = checker.take(*page);
    if (!complete) return std::move(complete).error();
    if (!*complete) continue;
    if (auto whole = checker.check_archives(); !whole) return std::move(whole).error();
    return std::move(checker).finish();
  }
}

fs::path ReadHeads::file_of(const protocol::Party& party) const {
  const Digest identity = protocol::sha256(party.identity_key.bytes());
  return folder_ / (party.name + "-" + to_hex(ByteView(identity).first(8)));
}

fs::path ReadHeads::aside_of(const protocol::Party& party, std::uint64_t seq) const {
  return file_of(party).string() + "-at-" + std::to_string(seq);
}

Result<std::optional<protocol::LogHead>> ReadHeads::of(const protocol::Party& party) const {
  return read(file_of(party), party);
}

Result<std::vector<protocol::LogHead>> ReadHeads::all_of(const protocol::Party& party) const {
  std::vector<fs::path> files{file_of(party)};
  const std::string aside = files.front().filename().string() + "-at-";
  std::error_code failed;
  for (fs::directory_iterator file(folder_, failed), end; !failed && file != end; file.increment(failed)) {
    const std::string name = file->path().filename().string();
    const bool number = name.find_first_not_of("0123456789", aside.size()) == std::string::npos;
    if (name.size() > aside.size() && name.starts_with(aside) && number) files.push_back(file->path());
  }
  if (failed && failed != std::errc::no_such_file_or_directory)
    return Error(Code::unavailable, "\"" + folder_.string() + "\" cannot be read: " + failed.message());
  std::vector<protocol::LogHead> heads;
  for (const fs::path& file : files) {
    const auto head = read(file, party);
    if (!head) return head.error();
    if (*head) heads.push_back(**head);
  }
  return heads;
}

Result<std::optional<protocol::LogHead>> ReadHeads::read(const fs::path& file,
                                                         const protocol::Party& party) const {
  const auto encoded = client::read_small_file(file, kMaxFile);
  if (!encoded && encoded.error().code() == Code::not_found) return std::optional<protocol::LogHead>();
  if (!encoded) return encoded.error();
  auto head = protocol::LogHead::parse(*encoded);
  if (!head || head->identity_key != party.identity_key.bytes())
    return Error(Code::altered,
                 "\"" + file.string() + "\" is no log head that the " + party.name + " agent signed");
  return std::optional(*std::move(head));
}

Status ReadHeads::keep(const protocol::Party& party, const protocol::LogHead& head) const {
  if (auto made = make_private_directory(folder_); !made) return made;
  return write_durable(file_of(party), head.encode(), kPrivateMode);
}

Status ReadHeads::put_aside(const protocol::Party& party, const protocol::LogHead& head) const {
  if (auto made = make_private_directory(folder_); !made) return made;
  return write_durable(aside_of(party, head.seq), head.encode(), kPrivateMode);
}

Status ReadHeads::remove_aside(const protocol::Party& party, const protocol::LogHead& head) const {
  const fs::path aside = aside_of(party, head.seq);
  const auto there = read(aside, party);
  if (!there) return there.error();
  if (!*there || (*there)->chain != head.chain) return Done{};
  std::error_code failed;
  fs::remove(aside, failed);
  if (failed) return Error(Code::unavailable, "\"" + aside.string() + "\": " + failed.message());
  return Done{};
}

namespace {

// What was read before is the evidence if the log now differs.
Result<VerifiedLog> read_on(const ClientDirectory& administrator, const ReadHeads& heads,
                            const protocol::Party& party, const std::vector<fs::path>& archives,
                            Random& random) {
  const auto read = heads.all_of(party);
  if (!read) return read.error();
  auto log = fetch_log(administrator, party, *read, archives, random);
  if (!log && log.error().code() == Code::altered && !read->empty())
    return with_hint(std::move(log).error(),
                     "the agent signed what it said before: keep \"" + heads.file_of(party).string() +
                         (read->size() > 1 ? "\" and the files whose names begin so" : "\""));
  return log;
}

}  // namespace

Status show_and_keep(std::ostream& out, const VerifiedLog& log, bool json, const ReadHeads& heads,
                     const protocol::Party& party) {
  out << (json ? log_as_json(log) : log_as_table(log)) << std::flush;
  // They remain evidence until the archive is available.
  Status kept = Done{};
  for (const protocol::LogHead& head : log.not_compared)
    if (kept) kept = heads.put_aside(party, head);
  if (kept) kept = heads.keep(party, log.head);
  for (const protocol::LogHead& head : log.compared)
    if (kept) kept = heads.remove_aside(party, head);
  if (!kept)
    return std::move(kept).error().in("the " + party.name +
                                      " agent's log verified, but its head cannot be kept");
  return Done{};
}

Status show_log(const LogOptions& options, Random& random) {
  auto administrator = ClientDirectory::load(options.config);
  if (!administrator) return std::move(administrator).error();
  const ReadHeads heads(options.config);
  std::optional<Error> failed;
  bool asked = false;
  for (const protocol::Party& party : administrator->bundle.parameters()->parties) {
    if (!party.is_agent() || (options.party && *options.party != party.name)) continue;
    asked = true;
    auto log = read_on(*administrator, heads, party, options.archives, random);
    const Status done = log ? show_and_keep(std::cout, *log, options.json, heads, party) : log.error();
    if (done) continue;
    // A log that does not verify is more serious than an unreachable agent.
    if (!failed || failed->code() == Code::unavailable) {
      failed = failed ? Error(done.error().code(), done.error().message() + "; " + failed->message())
                      : done.error();
    } else {
      failed = Error(failed->code(), failed->message() + "; " + done.error().message());
    }
  }
  if (!asked) return Error(Code::not_found, "the key has no agent \"" + options.party.value_or("") + "\"");
  if (failed) return std::move(*failed);
  return Done{};
}

}  // namespace coprotect::provisioning
