#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "client/agent_client.h"
#include "protocol/message/log.h"
#include "provisioning/client_directory.h"

namespace coprotect::provisioning {

// An agent's log, whole, as it stood when the first piece of it was read.
struct VerifiedLog {
  std::string party;
  protocol::LogHead head;
  std::vector<protocol::LogEntry> entries;  // the tenant's; others' are known by their hashes only
  std::uint64_t foreign = 0;                // how many of those
  std::uint64_t lost = 0;                   // numbers that the agent says it lost, with a newer store
};

// Puts pages of a log together and checks them: every entry in its place in the hash chain, up to the head
// that the first page had, which the agent signed. Each page that is asked for adds entries to the log, so
// that a reader that went after the newest head might never reach it.
class LogChecker {
 public:
  LogChecker(std::string party, const protocol::VerifyKey& identity);

  // The sequence number to ask for next.
  std::uint64_t next() const { return seq_ + 1; }
  // Takes the page that begins at next(). True once the log is complete up to the first page's head.
  // Code::altered, naming the place, if it does not verify.
  Result<bool> take(const protocol::LogReply& page);
  VerifiedLog finish() &&;

 private:
  Error altered(std::string_view what) const;
  Status take(const protocol::LogReply::Line& line);

  std::string party_;
  protocol::VerifyKey identity_;
  std::uint64_t seq_ = 0;
  Digest chain_{};
  std::optional<protocol::LogHead> goal_;
  std::vector<protocol::LogEntry> entries_;
  std::uint64_t foreign_ = 0;
  std::uint64_t lost_ = 0;
};

// Fetches an agent's whole log in the administrator's name and verifies it.
Result<VerifiedLog> fetch_log(const ClientDirectory& administrator, const protocol::Party& party,
                              Random& random);

struct LogOptions {
  std::filesystem::path config;      // the administrator's
  std::optional<std::string> party;  // one agent only
  bool json = false;
};

// Prints the logs of the agents, verified. An agent that fails does not stop the others; the error is the
// gravest.
Status show_log(const LogOptions& options, Random& random);

}  // namespace coprotect::provisioning
