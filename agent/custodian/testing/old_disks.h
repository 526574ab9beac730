#pragma once

#include "agent/custodian/keys.h"
#include "agent/custodian/testing/test_agent.h"
#include "hsm/share_keeper.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent::custodian::testing {

// An attacker who has copied an agent's whole disk many times and can use the agent's token, with its PIN,
// for as long as the token exists. The attacker can try every share that the disk ever held.
class OldDisks {
 public:
  explicit OldDisks(const TestAgent& agent) : agent_(agent) {}

  // Copies the current disk: store, journal, keyring, sealing keys of the epochs.
  void take();
  // How many share records of an epoch the copies hold.
  std::size_t records_of(std::uint32_t epoch) const;
  // Whether some record of the epoch opens with any copy of anything and the token; whether all of them do.
  bool some_open(std::uint32_t epoch) const;
  bool all_open(std::uint32_t epoch) const;
  // The same for the recovery parts that the disk held.
  std::size_t parts_of(std::uint32_t epoch) const;
  bool some_parts_open(std::uint32_t epoch) const;
  bool all_parts_open(std::uint32_t epoch) const;
  // Whether any part of a record or of the recovery parts of the epoch is on the current disk.
  bool on_present_disk(std::uint32_t epoch) const;

 private:
  struct Record {
    hsm::ShareId id;
    Bytes record;
    protocol::Element public_share;
  };
  bool opens(const Record& record) const;
  bool parts_open(const Key& key) const;
  // Tries each copied keyring with each copied table of epoch keys.
  bool with_each_keeper(const std::function<bool(hsm::ShareKeeper&)>& opens) const;

  const TestAgent& agent_;
  harness::Scratch scratch_;
  std::vector<std::filesystem::path> disks_;
  std::map<Bytes, Record> records_;
  std::map<Bytes, KeyPtr> parts_;  // sealed, with the key that they were kept for
};

}  // namespace coprotect::agent::custodian::testing
