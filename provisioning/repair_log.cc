#include "provisioning/repair_log.h"

#include <iostream>
#include <map>

#include "hsm/agent_folder.h"
#include "hsm/log_repair_files.h"
#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/log_cut.h"
#include "provisioning/agent_identity.h"
#include "provisioning/agent_store.h"
#include "provisioning/as_owner.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

using Demanded = std::map<std::uint64_t, Digest>;

Digest digest_from(ByteView bytes) {
  Digest digest{};
  if (bytes.size() == digest.size()) std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

// The damaged entries, with the hashes of their original contents.
Result<Demanded> find_damaged(const StoredLog& log, const protocol::PublicKeyBytes& agent) {
  const auto encoded_cut = log.cut();
  if (!encoded_cut) return encoded_cut.error();
  Digest computed{};
  if (!encoded_cut->empty()) {
    const auto cut = protocol::LogCut::parse(*encoded_cut);
    if (!cut || cut->identity_key != agent)
      return Error(Code::altered, "the log's cut is not signed by this agent");
    computed = cut->chain;
  }
  const auto encoded_head = log.head();
  if (!encoded_head) return encoded_head.error();
  const auto head = protocol::LogHead::parse(*encoded_head);
  if (!head || head->identity_key != agent)
    return Error(Code::altered, "the log's head is not signed by this agent");
  Digest noted = computed;
  Demanded damaged;
  const auto read = log.each([&](const StoredLog::Row& row) -> Status {
    const Digest hash = protocol::sha256(row.entry);
    const Digest note = row.noted.size() == hash.size() ? digest_from(row.noted) : hash;
    computed = protocol::chain_next(computed, hash);
    noted = protocol::chain_next(noted, note);
    if (note != hash) damaged.emplace(row.seq, note);
    return Done{};
  });
  if (!read) return read.error();
  if (computed == head->chain) return Demanded{};
  if (noted == head->chain) return damaged;
  return with_hint(Error(Code::altered, "the log does not verify, also without its damaged entries"),
                   "restore the newest backup with coprotect-provision restore-backup");
}

}  // namespace

Status repair_log(const RepairLogOptions& options) {
  const auto agent = AgentIdentity::open(options.directory, options.token_helper);
  if (!agent) return agent.error();
  const auto store = StoredLog::open(hsm::state_of(options.directory) / "store.db");
  if (!store) return store.error();
  const auto damaged = find_damaged(*store, agent->keyring.identity().public_key().bytes());
  if (!damaged) return damaged.error();
  if (damaged->empty()) {
    std::cout << "no entry of the log is damaged: nothing is done\n";
    return Done{};
  }
  const auto backup = StoredLog::open(hsm::state_of(options.from) / "store.db");
  if (!backup) return backup.error();
  const hsm::LogRepairFiles files(options.directory, agent->keyring);
  std::string missing;
  for (const auto& [seq, hash] : *damaged) {
    const auto entry = backup->entry(seq);
    if (!entry) return entry.error();
    if (protocol::sha256(*entry) != hash) {
      missing += (missing.empty() ? "" : ", ") + std::to_string(seq);
      continue;
    }
    fault_point("before an entry of a log is left for the agent");
    const AsOwner as_owner(options.directory);
    if (auto put = files.put(seq, *entry); !put) return put;
    fault_point("after an entry of a log is left for the agent");
    std::cout << "found entry " << seq << ": the agent takes it at its next start\n";
  }
  if (missing.empty()) return Done{};
  return with_hint(
      Error(Code::not_found, "the backup has not entry " + missing + " as the log's chain demands"),
      "another backup may have it");
}

}  // namespace coprotect::provisioning
