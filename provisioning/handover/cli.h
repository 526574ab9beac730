#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "provisioning/handover/new_code.h"
#include "provisioning/handover/reshare.h"
#include "provisioning/handover/restore.h"

namespace coprotect::provisioning {

// The commands that change, or show, who holds a key: refresh, new-code, restore, reshare, holders, veto,
// abort.
struct HandoverArguments {
  KeyOptions key;
  ReshareOptions reshare;
  RestoreOptions restore;
  std::string notice;  // the one to veto
};
void add_handover_commands(CLI::App& app, HandoverArguments& to, Operator::Descriptors& descriptors);
// Nothing if another command was given.
std::optional<Status> run_handover_command(const CLI::App& app, HandoverArguments& arguments,
                                           const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
