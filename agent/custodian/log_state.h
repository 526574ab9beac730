#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/custodian/caps.h"
#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// What the agent's start needs of entries that were cut off its log (protocol/SPEC.md §7.3): the uses that
// count against daily caps, and whole entries that are the newest of their kind: lists, holds, what became of
// the store, drills, and each change of a recovery code. Kept beside the cut, so that a start after it finds
// exactly what a start before it found.
class LogState {
 public:
  // An entry that is cut off, in the log's order.
  void visit(const protocol::LogEntry& entry);
  // Gives the entries that were kept, in the log's order. What they count against caps is in caps().
  void replay(const std::function<void(const protocol::LogEntry&)>& visit) const;
  const Caps& caps() const { return caps_; }

  // The agents that were heard to remember this log up to the cut, or beyond.
  std::set<protocol::PublicKeyBytes> heard;

  Bytes encode() const;
  // Code::malformed for another form.
  static Result<LogState> parse(ByteView encoded);

 private:
  enum class Slot : std::uint8_t { client_list, key_list, hold, store, drill, code };
  void keep(Slot slot, const std::string& name, const protocol::LogEntry& entry);
  void keep_hold(const std::string& key, const protocol::LogEntry& entry);

  Caps caps_;
  std::map<std::pair<Slot, std::string>, protocol::LogEntry> newest_;
  std::vector<protocol::LogEntry> codes_;  // each change of a code, and the last proof of the one before
};

}  // namespace coprotect::agent::custodian
