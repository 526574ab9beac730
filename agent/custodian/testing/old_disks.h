#pragma once

#include "agent/custodian/keys.h"
#include "agent/custodian/testing/test_agent.h"
#include "hsm/share_keeper.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent::custodian::testing {

// An adversary who has read an agent's whole disk many times, keeps all of it, and can use the agent's token,
// with its PIN, for as long as it lives: every share that the disk ever held is his to try.
class OldDisks {
 public:
  explicit OldDisks(const TestAgent& agent) : agent_(agent) {}

  // Copies the disk as it is: store, journal, keyring, sealing keys of the epochs.
  void take();
  // How many share records of an epoch he has seen.
  std::size_t records_of(std::uint32_t epoch) const;
  // Whether some record of the epoch opens, with some copy of anything and the token; whether all of them do.
  bool some_open(std::uint32_t epoch) const;
  bool all_open(std::uint32_t epoch) const;
  // The same of the recovery parts that the disk held.
  std::size_t parts_of(std::uint32_t epoch) const;
  bool some_parts_open(std::uint32_t epoch) const;
  bool all_parts_open(std::uint32_t epoch) const;
  // Whether something of a record or of recovery parts of the epoch is on the present disk.
  bool on_present_disk(std::uint32_t epoch) const;

 private:
  struct Record {
    hsm::ShareId id;
    Bytes record;
    protocol::Element public_share;
  };
  bool opens(const Record& record) const;
  bool parts_open(const Key& key) const;
  // With each keyring and each table of epochs' keys that he has.
  bool with_each_keeper(const std::function<bool(hsm::ShareKeeper&)>& opens) const;

  const TestAgent& agent_;
  harness::Scratch scratch_;
  std::vector<std::filesystem::path> disks_;
  std::map<Bytes, Record> records_;
  std::map<Bytes, KeyPtr> parts_;  // sealed, with the key that they were kept for
};

}  // namespace coprotect::agent::custodian::testing
