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

// One file to work on. No path means standard input or output. Of a file in a folder that was named, or that
// outputs go to, its place there says where it is, and the path is for messages: nobody named the links that
// may stand below such a folder, so they are not followed.
struct Job {
  std::optional<std::filesystem::path> input;
  std::optional<std::filesystem::path> output;
  PlaceInTree input_place = {};
  PlaceInTree output_place = {};
  std::string name() const { return input ? input->string() : "-"; }
  std::string output_name() const { return output ? output->string() : "-"; }
};

// What a command line comes to.
struct Plan {
  std::vector<Job> jobs;
  std::vector<std::pair<std::string, std::string>> skipped;  // file, and why
  // What cannot be read or looked at in a folder, and files that can have no output of their own, with why.
  std::vector<std::pair<std::string, Error>> failed;
  std::uint64_t input_size = 0;            // of all regular files
  std::shared_ptr<Tree> output_tree = {};  // that the outputs go to, if it is one
};

// What the plan has no jobs for: a failure of it is one of the run.
void report_left_out(const Plan& plan, Report& report);

// Sealing makes x.cop of x, opening x of x.cop; a folder is mirrored if `recursive`. `output` names the one
// output, the folder that the outputs go to, or the mirror. Errors are for who wrote the command
// (ExitCode::usage).
Result<Plan> make_plan(Direction direction, const std::vector<std::string>& inputs, bool recursive,
                       const std::optional<std::string>& output);

// Encrypted files to be changed where they are: those that are named, and of a folder, if `recursive`, all
// *.cop and what else is encrypted. Each job's output is its input.
Result<Plan> plan_in_place(const std::vector<std::string>& inputs, bool recursive);

Result<Input> open_input(const Job& job);
// Whether open_target() would accept the place: to find out early.
Status target_available(const Job& job, bool overwrite);
// The size of the output if it is there, and a regular file.
std::optional<std::uint64_t> size_of_output(const Job& job);
// The place for a job's output, with the permissions of its input.
Result<Target> open_target(const Job& job, bool overwrite, const Input& input);

}  // namespace coprotect::client
