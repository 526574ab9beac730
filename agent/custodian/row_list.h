#pragma once

#include <map>
#include <optional>
#include <vector>

#include "protocol/base/bytes.h"

namespace coprotect::agent::custodian {

// Tables whose rows authorise something. Exactly the rows that this agent left must be present.
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

// The rows of the store, as this agent read them at start and wrote them since. A row's own MAC shows that it
// is genuine. The MAC over this list shows that none is missing, added or restored (due_epochs.h). While the
// agent runs, the list is authoritative, not the file. Guarded by the store: use only within a transaction.
class RowList {
 public:
  // `content` represents the whole row: its MAC, or all of it.
  void put(Table table, Bytes name, Bytes content);
  void remove(Table table, const Bytes& name);
  // The content of a row; null if there is none.
  const Bytes* find(Table table, const Bytes& name) const;
  // A summary of all rows: for each table its number u8 ‖ number of rows u32 ‖ SHA-256 over them.
  Bytes summary() const;

  // Ends a transaction: keeps its changes, or undoes them.
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
    mutable std::optional<Digest> hash;  // none if it must be recomputed
  };
  void set(Table table, const Bytes& name, std::optional<Bytes> content);

  std::map<Table, Rows> tables_;
  std::vector<Change> undo_;
};

}  // namespace coprotect::agent::custodian
