#pragma once

#include <map>
#include <optional>
#include <vector>

#include "protocol/base/bytes.h"

namespace coprotect::agent::custodian {

// Tables whose rows authorise something, and must be there or not be there as this agent left them.
enum class Table : std::uint8_t {
  keys = 1,
  client_lists = 2,
  key_lists = 3,
  destructions = 4,
  announcements = 5,
  floors = 6,
  peer_questions = 7,
  forgotten_nonces = 8,
  log_cut = 9,
};

// Which rows the store has, as this agent read them at its start and wrote them since. A row's own MAC shows
// that it is genuine; that none is missing, added or put back shows the MAC over this list (due_epochs.h).
// While the agent runs the list counts, and not the file. Guarded by the store: only to be used within a
// transaction.
class RowList {
 public:
  // `content` stands for the whole row: its MAC, or all of it.
  void put(Table table, Bytes name, Bytes content);
  void remove(Table table, const Bytes& name);
  // The content of a row; null if there is none.
  const Bytes* find(Table table, const Bytes& name) const;
  // Of all rows: for each table its number u8 ‖ how many rows u32 ‖ SHA-256 over them.
  Bytes summary() const;

  // The end of a transaction: what it did counts, or never was.
  void keep() { undo_.clear(); }
  void roll_back();
  bool changed() const { return !undo_.empty(); }

 private:
  struct Change {
    Table table;
    Bytes name;
    std::optional<Bytes> before;
  };
  struct Rows {
    std::map<Bytes, Bytes> rows;
    mutable std::optional<Digest> hash;  // none once it has to be computed again
  };
  void set(Table table, const Bytes& name, std::optional<Bytes> content);

  std::map<Table, Rows> tables_;
  std::vector<Change> undo_;
};

}  // namespace coprotect::agent::custodian
