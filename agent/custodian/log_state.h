#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/custodian/caps.h"
#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// What the agent's start needs from entries that were cut off its log (protocol/SPEC.md §7.3): the uses that
// count against daily caps, and the newest entries of some kinds in full: lists, holds, store events, drills,
// and each change of a recovery code. It is kept beside the cut. A start after the cut therefore finds
// exactly what a start before it found.
class LogState {
 public:
  // Adds an entry that is cut off; call in the log's order.
  void visit(const protocol::LogEntry& entry);
  // Visits the kept entries in the log's order. Their counts against caps are in caps().
  void replay(const std::function<void(const protocol::LogEntry&)>& visit) const;
  const Caps& caps() const { return caps_; }

  // The agents known to remember this log up to the cut or beyond.
  std::set<protocol::PublicKeyBytes> heard;

  Bytes encode() const;
  // Code::malformed for any other encoding.
  static Result<LogState> parse(ByteView encoded);

 private:
  enum class Slot : std::uint8_t { client_list, key_list, hold, store, drill, code };
  void keep(Slot slot, const std::string& name, const protocol::LogEntry& entry);
  void keep_hold(const std::string& key, const protocol::LogEntry& entry);

  Caps caps_;
  std::map<std::pair<Slot, std::string>, protocol::LogEntry> newest_;
  std::vector<protocol::LogEntry> codes_;  // each change of code, and the last proof of the previous one
};

}  // namespace coprotect::agent::custodian
