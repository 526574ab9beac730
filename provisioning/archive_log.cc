#include "provisioning/archive_log.h"

#include <chrono>
#include <iostream>
#include <thread>

#include "hsm/agent_folder.h"
#include "hsm/log_cut_request.h"
#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"
#include "provisioning/agent_identity.h"
#include "provisioning/agent_store.h"
#include "provisioning/as_owner.h"
#include "provisioning/clock.h"
#include "provisioning/log_archive.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

using protocol::LogArchive;
using protocol::LogCut;
using protocol::LogHead;
using protocol::LogReply;
using protocol::LogWalk;

constexpr std::int64_t kMsOfADay = std::int64_t{24} * 60 * 60 * 1000;

fs::path store_of(const fs::path& folder) {
  return hsm::state_of(folder) / "store.db";
}

// Where a log begins.
struct Begin {
  std::uint64_t seq = 0;
  Digest chain{};
  std::optional<LogCut> cut;
};

Result<Begin> begin_of(const StoredLog& log, const protocol::PublicKeyBytes& agent) {
  const auto encoded = log.cut();
  if (!encoded) return encoded.error();
  if (encoded->empty()) return Begin{};
  auto cut = LogCut::parse(*encoded);
  if (!cut || cut->identity_key != agent)
    return Error(Code::altered, "the log's cut is not signed by this agent");
  Begin begin{.seq = cut->seq, .chain = cut->chain, .cut = std::nullopt};
  begin.cut = *std::move(cut);
  return begin;
}

// The part of the log for the archive.
struct Old {
  std::uint64_t seq = 0;  // the last entry; 0 if there is none
  std::int64_t time_ms = 0;
  Digest chain{};
  std::uint64_t count = 0;
};

// Verifies the whole log up to the head. The newest entry stays, because a log ends with one.
Result<Old> find_old(const StoredLog& log, const Begin& begin, const protocol::PublicKeyBytes& agent,
                     std::int64_t before_ms) {
  const auto encoded = log.head();
  if (!encoded) return encoded.error();
  if (encoded->empty()) return Old{};
  const auto head = LogHead::parse(*encoded);
  if (!head || head->identity_key != agent)
    return Error(Code::altered, "the log's head is not signed by this agent");
  LogWalk walk(begin.seq, begin.chain);
  Old old;
  std::uint64_t count = 0;
  bool all_older = true;
  const auto read = log.each([&](const StoredLog::Row& row) -> Status {
    const auto taken = walk.take({.entry = row.entry, .hash = {}});
    if (!taken) return taken.error();
    ++count;
    all_older = all_older && (*taken)->time_ms < before_ms;
    if (all_older && walk.seq() < head->seq)
      old = {.seq = walk.seq(), .time_ms = (*taken)->time_ms, .chain = walk.chain(), .count = count};
    return Done{};
  });
  if (!read) return read.error();
  if (walk.seq() != head->seq || walk.chain() != head->chain)
    return Error(Code::altered, "the log's entries are not those under its signed head");
  return old;
}

Status write_archive(const StoredLog& log, const Begin& begin, const Old& old, const AgentIdentity& agent,
                     const fs::path& to) {
  auto file = ArchiveFile::create(to);
  if (!file) return std::move(file).error();
  const auto& identity = agent.keyring.identity();
  const LogArchive archive{.identity_key = identity.public_key().bytes(),
                           .after = begin.seq,
                           .before = begin.chain,
                           .count = old.count};
  if (auto written = file->write(archive.header()); !written) return written;
  std::uint64_t count = 0;
  const auto copied = log.each([&](const StoredLog::Row& row) -> Status {
    return ++count > old.count ? Status(Done{})
                               : file->write(LogArchive::line({.entry = row.entry, .hash = {}}));
  });
  if (!copied) return copied;
  // Contains what the agent signed when this entry was the last one.
  if (auto written = file->write(LogHead::sign(old.seq, old.time_ms, old.chain, identity).encode()); !written)
    return written;
  return file->keep();
}

// Reads the archive again, to prove that it contains what will be removed.
Result<Digest> check_archive(const fs::path& file, const Begin& begin, const Old& old,
                             const protocol::PublicKeyBytes& agent) {
  bool whole = true;
  const auto read = read_archive(file, [&](const LogReply::Line& line, const auto&) -> Status {
    whole = whole && !line.entry.empty();
    return Done{};
  });
  if (!read) return read.error();
  if (!whole || read->archive.identity_key != agent || read->archive.after != begin.seq ||
      read->archive.before != begin.chain || read->archive.count != old.count || read->head.seq != old.seq ||
      read->head.chain != old.chain)
    return Error(Code::altered, "archive \"" + file.string() + "\" is not what was written");
  return read->hash;
}

void show(const Begin& begin) {
  if (!begin.cut) {
    std::cout << "the log begins with entry 1: nothing of it is in an archive\n";
    return;
  }
  std::cout << "the log begins after entry " << begin.seq << "; entries " << begin.cut->after + 1 << ".."
            << begin.seq << " were moved at " << utc_text(begin.cut->time_ms)
            << " to the archive with SHA-256 " << to_hex(begin.cut->archive) << '\n';
}

bool agent_runs(const fs::path& folder) {
  const auto lock = StoreLock::acquire(store_of(folder));
  return !lock && lock.error().code() == Code::conflict;
}

// Whether the agent has removed the requested entries.
bool is_removed(const fs::path& folder, std::uint64_t seq, const protocol::PublicKeyBytes& agent,
                unsigned seconds) {
  using std::chrono::steady_clock;
  const auto end = steady_clock::now() + std::chrono::seconds(seconds);
  for (;;) {
    const auto log = StoredLog::open(store_of(folder));
    const auto begin = log ? begin_of(*log, agent) : Result<Begin>(log.error());
    if (begin && begin->seq >= seq) return true;
    if (steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

}  // namespace

Status archive_log(const ArchiveLogOptions& options, std::int64_t now_ms) {
  const auto agent = AgentIdentity::open(options.directory, options.token_helper);
  if (!agent) return agent.error();
  const auto& identity = agent->keyring.identity().public_key().bytes();
  hsm::LogCutRequest request{};
  {
    const auto log = StoredLog::open(store_of(options.directory));
    if (!log) return log.error();
    const auto begin = begin_of(*log, identity);
    if (!begin) return begin.error();
    if (!options.older_than) {
      show(*begin);
      return Done{};
    }
    const auto old = find_old(*log, *begin, identity, now_ms - *options.older_than * kMsOfADay);
    if (!old) return old.error();
    if (old->seq == 0)
      return Error(Code::not_found, "no entry is older than " + std::to_string(*options.older_than) +
                                        " days: nothing is done");
    if (auto written = write_archive(*log, *begin, *old, *agent, options.to); !written) return written;
    const auto hash = check_archive(options.to, *begin, *old, identity);
    if (!hash) return hash.error();
    request = {.after = begin->seq,
               .seq = old->seq,
               .chain = old->chain,
               .count = old->count,
               .archive = *hash,
               .unheard = options.unheard};
  }
  std::cout << "made \"" << options.to.string() << "\" of entries " << request.after + 1 << ".."
            << request.seq << ", read again and verified\n  SHA-256       " << to_hex(request.archive) << '\n'
            << std::flush;
  fault_point("before the agent is asked to cut its log");
  {
    const AsOwner as_owner(options.directory);
    if (auto asked = hsm::LogCutRequests(options.directory, agent->keyring).put(request); !asked)
      return asked;
  }
  fault_point("after the agent is asked to cut its log");
  const bool runs = agent_runs(options.directory);
  if (runs && is_removed(options.directory, request.seq, identity, options.wait_seconds))
    std::cout << "the agent has removed them from its log, and signed that it did\n";
  else
    std::cout << "the agent removes them from its log once it " << (runs ? "has" : "runs and has")
              << " heard the other agents: until then they are in both. Its journal says what it waits for\n";
  return Done{};
}

}  // namespace coprotect::provisioning
