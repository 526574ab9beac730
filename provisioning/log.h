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

// An agent's log, whole, as it stood when the first piece of it was read.
struct VerifiedLog {
  std::string party;
  protocol::LogHead head;
  std::vector<protocol::LogEntry> entries;  // the tenant's; others' are known by their hashes only
  std::uint64_t foreign = 0;                // how many of those
  std::uint64_t lost = 0;                   // numbers that the agent says it lost, with a newer store
  bool lost_what_was_read = false;          // among them some up to which it was read before
  std::optional<protocol::LogCut> cut = std::nullopt;  // where it begins, if its beginning was not read
  std::uint64_t archived = 0;                          // the last of the entries that archives had
  std::uint64_t not_read = 0;                          // the last of the entries before those that were read
  // Of the heads up to which it was read before: those that are in it, and those that are before what was
  // read.
  std::vector<protocol::LogHead> compared = {};
  std::vector<protocol::LogHead> not_compared = {};
};

// Puts pages of a log together and checks them: every entry in its place in the hash chain, up to the head
// that the first page had, which the agent signed. Each page that is asked for adds entries to the log, so
// that a reader that went after the newest head might never reach it.
class LogChecker {
 public:
  // `read` are the heads up to which it was read before: the log has to go on from each.
  LogChecker(std::string party, const protocol::VerifyKey& identity,
             std::vector<protocol::LogHead> read = {});

  // Takes an archive of the agent's, before the first page: it has to go on from where the one before ended,
  // or from within that.
  // Of other tenants' entries only the hashes count. Code::altered, Code::conflict if it does not go on.
  Status take_archive(const std::filesystem::path& file, const std::string& tenant);
  // When all is read: Code::altered if an archive gives entries by their hashes alone, and is no file whose
  // SHA-256 the agent signed. Anybody can put a hash in the place of an entry, and the chain holds.
  Status check_archives() const;
  // The sequence number to ask for next.
  std::uint64_t next() const { return walk_.seq() + 1; }
  // Takes the page that begins at next(). True once the log is complete up to the first page's head.
  // Code::altered, naming the place, if it does not verify.
  Result<bool> take(const protocol::LogReply& page);
  VerifiedLog finish() &&;

 private:
  Error altered(std::string_view what) const;
  Status take_cut(ByteView encoded);
  Status take(const protocol::LogReply::Line& line);
  // With the heads after number `before`, up to where the walk is.
  Status compare_with_read(std::uint64_t before);

  std::string party_;
  protocol::VerifyKey identity_;
  std::vector<protocol::LogHead> read_;  // that were not reached yet
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

// The heads of the agents' logs as an administrator last read them, each signed by its agent: what he can
// show if an agent tells another history afterwards. In the folder "heads" beside his configuration.
class ReadHeads {
 public:
  explicit ReadHeads(const std::filesystem::path& config) : folder_(config.parent_path() / "heads") {}
  std::filesystem::path file_of(const protocol::Party& party) const;
  // None if this agent's log was not read yet. Code::altered if the file is not a head that it signed.
  Result<std::optional<protocol::LogHead>> of(const protocol::Party& party) const;
  // That one, and those that were put aside.
  Result<std::vector<protocol::LogHead>> all_of(const protocol::Party& party) const;
  Status keep(const protocol::Party& party, const protocol::LogHead& head) const;
  // Under another name, until it can be compared.
  Status put_aside(const protocol::Party& party, const protocol::LogHead& head) const;
  // One that was put aside, if it was.
  Status remove_aside(const protocol::Party& party, const protocol::LogHead& head) const;

 private:
  std::filesystem::path aside_of(const protocol::Party& party, std::uint64_t seq) const;
  Result<std::optional<protocol::LogHead>> read(const std::filesystem::path& file,
                                                const protocol::Party& party) const;

  std::filesystem::path folder_;
};

// The archives that are this agent's, in their order, without those that are part of another: a cut may have
// waited until a longer archive was made. Code::altered if it is not part of it, but of another history.
Result<std::vector<std::filesystem::path>> archives_of(const protocol::Party& party,
                                                       const std::vector<std::filesystem::path>& archives);

// Fetches an agent's whole log in the administrator's name and verifies it, also against the heads up to
// which he read it before. `archives`: those that are the agent's count, in their order.
Result<VerifiedLog> fetch_log(const ClientDirectory& administrator, const protocol::Party& party,
                              const std::vector<protocol::LogHead>& read,
                              const std::vector<std::filesystem::path>& archives, Random& random);

// Prints a log that verified, and then keeps its head; beside it those before, as long as they could not be
// compared. An error if it cannot be kept: the log was shown, but the next reading cannot be compared with
// this one.
Status show_and_keep(std::ostream& out, const VerifiedLog& log, bool json, const ReadHeads& heads,
                     const protocol::Party& party);

struct LogOptions {
  std::filesystem::path config;      // the administrator's
  std::optional<std::string> party;  // one agent only
  bool json = false;
  std::vector<std::filesystem::path> archives;  // of entries before those that the agents have
};

// Prints the logs of the agents, verified, and keeps their heads for the next time. An agent that fails does
// not stop the others; the error is the gravest.
Status show_log(const LogOptions& options, Random& random);

}  // namespace coprotect::provisioning
