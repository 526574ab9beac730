#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "provisioning/archive_log.h"
#include "provisioning/backup.h"
#include "provisioning/drill.h"
#include "provisioning/hold_erasure.h"
#include "provisioning/repair_log.h"

namespace coprotect::provisioning {

// The commands that maintain a company's keys: backup, restore-backup, hold-erasure, archive-log, repair-log,
// drill.
struct UpkeepArguments {
  BackupOptions backup;
  RestoreBackupOptions restore;
  HoldErasureOptions hold;
  ArchiveLogOptions archive;
  RepairLogOptions repair;
  DrillOptions drill;
  std::optional<std::filesystem::path> verify;  // evidence of a drill
};

void add_upkeep(CLI::App& app, UpkeepArguments& to, Operator::Descriptors& descriptors);
// Nothing if it was another command.
std::optional<Exit> run_upkeep(const CLI::App& app, UpkeepArguments& arguments, const Operator& person,
                               const std::filesystem::path& token_helper, Random& random);

}  // namespace coprotect::provisioning
