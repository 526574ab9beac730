#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "provisioning/backup.h"
#include "provisioning/drill.h"

namespace coprotect::provisioning {

// The commands that keep a company's keys alive: backup, restore-backup, drill.
struct UpkeepArguments {
  BackupOptions backup;
  RestoreBackupOptions restore;
  DrillOptions drill;
  std::optional<std::filesystem::path> verify;  // evidence of a drill
};

void add_upkeep(CLI::App& app, UpkeepArguments& to, Operator::Descriptors& descriptors);
// Nothing if it was another command.
std::optional<Exit> run_upkeep(const CLI::App& app, UpkeepArguments& arguments, const Operator& person,
                               const std::filesystem::path& token_helper, Random& random);

}  // namespace coprotect::provisioning
