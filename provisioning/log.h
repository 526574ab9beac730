#pragma once

#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "client/agent_client.h"
#include "protocol/message/log_cut.h"
#include "provisioning/client_directory.h"

namespace coprotect::provisioning {

// An agent's whole log, as of the moment when its first page was read.
struct VerifiedLog {
  std::string party;
  protocol::LogHead head;
  std::vector<protocol::LogEntry> entries;  // the tenant's; others are known only by their hashes
  std::uint64_t foreign = 0;                // how many others' entries there are
  std::uint64_t lost = 0;                   // entries that the agent says it lost with a newer store
  bool lost_what_was_read = false;          // some of them had been read before
  std::optional<protocol::LogCut> cut = std::nullopt;  // where the log begins, if its beginning was not read
  std::uint64_t archived = 0;                          // the last entry that came from an archive
  std::uint64_t not_read = 0;                          // the last entry before those that were read
  // The heads up to which it was read before: those within what was read now, and those before it.
  std::vector<protocol::LogHead> compared = {};
  std::vector<protocol::LogHead> not_compared = {};
};

// Assembles the pages of a log and verifies them: every entry must be in its place in the hash chain, up to
// the signed head in the first page. It does not follow newer heads: each request for a page adds entries to
// the log, so it might never reach the newest.
class LogChecker {
 public:
  // `read` are the heads up to which it was read before. The log must continue from each.
  LogChecker(std::string party, const protocol::VerifyKey& identity,
             std::vector<protocol::LogHead> read = {});

  // Reads an archive of this agent, before the first page. It must continue from the end of the previous
  // archive or overlap it. Only the hashes of other tenants' entries count. Code::altered if it is invalid,
  // Code::conflict if it does not continue.
  Status take_archive(const std::filesystem::path& file, const std::string& tenant);
  // Call when all is read. Code::altered if an archive gives entries by their hashes alone and is not a file
  // whose SHA-256 the agent signed. Anybody can put a hash in the place of an entry, and the chain still
  // holds.
  Status check_archives() const;
  // The next sequence number to ask for.
  std::uint64_t next() const { return walk_.seq() + 1; }
  // Reads the page that begins at next(). True once the log is complete up to the first page's head.
  // Code::altered, naming the position, if it does not verify.
  Result<bool> take(const protocol::LogReply& page);
  VerifiedLog finish() &&;

 private:
  Error altered(std::string_view what) const;
  Status take_cut(ByteView encoded);
  Status take(const protocol::LogReply::Line& line);
  // Compares the heads after number `before`, up to the present position of the walk.
  Status compare_with_read(std::uint64_t before);

  std::string party_;
  protocol::VerifyKey identity_;
  std::vector<protocol::LogHead> read_;  // those not yet reached
  std::vector<protocol::LogHead> compared_;
  protocol::LogWalk walk_;
  std::optional<protocol::LogHead> goal_;
  std::optional<protocol::LogCut> cut_;
  std::uint64_t archived_ = 0;
  std::uint64_t not_read_ = 0;
  std::vector<protocol::LogEntry> entries_;
  std::uint64_t foreign_ = 0;
  struct Redacted {
    std::filesystem::path file;
    Digest hash;
    std::uint64_t entries;  // known by their hashes
  };
  std::vector<Redacted> redacted_;
  bool lost_what_was_read_ = false;
};

// The heads of the agents' logs that an administrator last read, each signed by its agent. They are evidence
// if an agent later shows another history. Stored in the folder "heads" beside the administrator's
// configuration.
class ReadHeads {
 public:
  explicit ReadHeads(const std::filesystem::path& config) : folder_(config.parent_path() / "heads") {}
  std::filesystem::path file_of(const protocol::Party& party) const;
  // None if this agent's log has not been read yet. Code::altered if the file is not a head that the agent
  // signed.
  Result<std::optional<protocol::LogHead>> of(const protocol::Party& party) const;
  // The present head, and those that were put aside.
  Result<std::vector<protocol::LogHead>> all_of(const protocol::Party& party) const;
  Status keep(const protocol::Party& party, const protocol::LogHead& head) const;
  // Stores it under another name until it can be compared.
  Status put_aside(const protocol::Party& party, const protocol::LogHead& head) const;
  // Removes one that was put aside, if it exists.
  Status remove_aside(const protocol::Party& party, const protocol::LogHead& head) const;

 private:
  std::filesystem::path aside_of(const protocol::Party& party, std::uint64_t seq) const;
  Result<std::optional<protocol::LogHead>> read(const std::filesystem::path& file,
                                                const protocol::Party& party) const;

  std::filesystem::path folder_;
};

// This agent's archives in order, without those that are part of another: a cut may have waited until a
// longer archive was made. Code::altered if an archive overlaps another but belongs to a different history.
Result<std::vector<std::filesystem::path>> archives_of(const protocol::Party& party,
                                                       const std::vector<std::filesystem::path>& archives);

// Fetches an agent's whole log as the administrator and verifies it, also against the heads up to which this
// administrator read it before. Of `archives`, uses those of this agent, in order.
Result<VerifiedLog> fetch_log(const ClientDirectory& administrator, const protocol::Party& party,
                              const std::vector<protocol::LogHead>& read,
                              const std::vector<std::filesystem::path>& archives, Random& random);

// Prints a verified log, then stores its head, and keeps earlier heads that could not be compared yet.
// Returns an error if the head cannot be stored: the log was printed, but the next reading cannot be compared
// with this one.
Status show_and_keep(std::ostream& out, const VerifiedLog& log, bool json, const ReadHeads& heads,
                     const protocol::Party& party);

struct LogOptions {
  std::filesystem::path config;      // the administrator's
  std::optional<std::string> party;  // one agent only
  bool json = false;
  std::vector<std::filesystem::path> archives;  // of entries older than those that the agents have
};

// Prints the agents' verified logs and stores their heads for the next time. If an agent fails, the others
// are still read. Returns the most serious error.
Status show_log(const LogOptions& options, Random& random);

}  // namespace coprotect::provisioning
