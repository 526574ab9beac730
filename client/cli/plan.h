#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/report.h"
#include "client/files/input.h"
#include "client/files/target.h"
#include "client/files/window_cipher.h"

namespace coprotect::client {

// One file to process. No path means standard input or output. If the file is in a named folder, or goes into
// an output folder, its place in that tree locates it and the path is only for messages. The user did not
// name links below such a folder, so they are not followed.
struct Job {
  std::optional<std::filesystem::path> input;
  std::optional<std::filesystem::path> output;
  PlaceInTree input_place = {};
  PlaceInTree output_place = {};
  std::string name() const { return input ? input->string() : "-"; }
  std::string output_name() const { return output ? output->string() : "-"; }
};

// The result of parsing a command line's files.
struct Plan {
  std::vector<Job> jobs;
  std::vector<std::pair<std::string, std::string>> skipped;  // file, and why
  // Unreadable folders and folder entries, and files that can have no output of their own, each with the
  // reason.
  std::vector<std::pair<std::string, Error>> failed;
  std::uint64_t input_size = 0;            // of all regular files
  std::shared_ptr<Tree> output_tree = {};  // that the outputs go to, if it is a folder
};

// Reports everything for which the plan has no job. A failure in the plan is a failure of the run.
void report_left_out(const Plan& plan, Report& report);

// Sealing makes x.cop from x, opening makes x from x.cop. `recursive` mirrors folders. `output` names the one
// output, the folder for the outputs, or the mirror. Errors are usage errors (ExitCode::usage).
Result<Plan> make_plan(Direction direction, const std::vector<std::string>& inputs, bool recursive,
                       const std::optional<std::string>& output);

// Encrypted files to change in place: those named, and with `recursive` every *.cop and every other encrypted
// file of a folder. Each job's output is its input.
Result<Plan> plan_in_place(const std::vector<std::string>& inputs, bool recursive);

Result<Input> open_input(const Job& job);
// Whether open_target() would accept the place. Finds errors early.
Status target_available(const Job& job, bool overwrite);
// The size of the output if it exists and is a regular file.
std::optional<std::uint64_t> size_of_output(const Job& job);
// The place for a job's output, with its input's permissions.
Result<Target> open_target(const Job& job, bool overwrite, const Input& input);

}  // namespace coprotect::client
