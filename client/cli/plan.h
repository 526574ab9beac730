#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/files/input.h"
#include "client/files/target.h"
#include "client/files/window_cipher.h"

namespace coprotect::client {

// One file to work on. No path means standard input or output.
struct Job {
  std::optional<std::filesystem::path> input;
  std::optional<std::filesystem::path> output;
  bool make_folder = false;  // the output's folder, if there is none yet
  std::string name() const { return input ? input->string() : "-"; }
  std::string output_name() const { return output ? output->string() : "-"; }
};

// What a command line comes to.
struct Plan {
  std::vector<Job> jobs;
  std::vector<std::pair<std::string, std::string>> skipped;  // file, and why
  std::uint64_t input_size = 0;                              // of all regular files
};

// Sealing makes x.cop of x, opening x of x.cop; a folder is mirrored if `recursive`. `output` names the one
// output, the folder that the outputs go to, or the mirror. Errors are for who wrote the command
// (ExitCode::usage).
Result<Plan> make_plan(Direction direction, const std::vector<std::string>& inputs, bool recursive,
                       const std::optional<std::string>& output);

// Encrypted files to be changed where they are: those that are named, and of a folder, if `recursive`, all
// *.cop. Each job's output is its input.
Result<Plan> plan_in_place(const std::vector<std::string>& inputs, bool recursive);

// The place for a job's output, with the permissions of its input.
Result<Target> open_target(const Job& job, bool overwrite, const Input& input);

}  // namespace coprotect::client
