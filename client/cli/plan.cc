#include "client/cli/plan.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "client/cli/misnamed.h"
#include "client/files/walk.h"

namespace coprotect::client {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kExtension = ".cop";

std::string quoted(const fs::path& path) {
  return "\"" + path.string() + "\"";
}
Error usage(const std::string& what) {
  return {Code::malformed, what};
}

mode_t current_umask() {
  const mode_t mask = umask(077);
  umask(mask);
  return mask;
}

// x.cop for x, or x for x.cop. Nothing if the name does not have that form.
std::optional<fs::path> renamed(Direction direction, const fs::path& path) {
  if (direction == Direction::seal) return fs::path(path.string() + std::string(kExtension));
  if (path.extension() != kExtension) return std::nullopt;
  return fs::path(path).replace_extension();
}

// Where the outputs of an input go: into `folder` in the tree.
struct Outputs {
  std::shared_ptr<Tree> tree;
  fs::path folder = {};
};

// Why a file in a folder is skipped. Empty if it is not.
std::string reason_to_skip(const Walk::Entry& entry, Direction direction) {
  if (entry.type == fs::file_type::symlink) return "symbolic links are not followed";
  if (entry.type != fs::file_type::regular) return "not a regular file";
  const bool encrypted = entry.path.extension() == kExtension;
  if (direction == Direction::seal) return encrypted ? "is encrypted already" : "";
  return encrypted ? "" : "name does not end in .cop";
}

// Adds the files of a folder, sorted by name, so that two runs are the same.
void add_folder(Plan& plan, Direction direction, const std::shared_ptr<Tree>& tree, const Outputs& mirror) {
  const fs::path& folder = tree->root();
  Walk walk = Walk::through(folder);
  for (auto& [path, why] : walk.failed) plan.failed.emplace_back(path.string(), std::move(why));
  for (const Walk::Entry& entry : walk.entries) {
    if (std::string why = reason_to_skip(entry, direction); !why.empty()) {
      plan.skipped.emplace_back(entry.path.string(), std::move(why));
      continue;
    }
    const fs::path relative = entry.path.lexically_relative(folder);
    const fs::path output = mirror.folder / *renamed(direction, relative);
    plan.jobs.push_back({.input = entry.path,
                         .output = mirror.tree->root() / output,
                         .input_place = {.tree = tree, .relative = relative},
                         .output_place = {.tree = mirror.tree, .relative = output}});
  }
}

// The last component of a name, also for "folder/".
fs::path base_name(const fs::path& path) {
  const fs::path normal = fs::absolute(path).lexically_normal();
  return normal.has_filename() ? normal.filename() : normal.parent_path().filename();
}

Status add(Plan& plan, Direction direction, const std::string& input, bool recursive,
           const std::optional<std::string>& output) {
  const bool to_stdout = output == "-";
  const bool output_is_folder = plan.output_tree != nullptr;
  std::optional<fs::path> named;
  if (output && !to_stdout) named = *output;
  if (input == "-") {
    if (output_is_folder) return usage("standard input has no name: name its output with -o FILE");
    plan.jobs.push_back({.input = {}, .output = named});
    return Done{};
  }
  const fs::path path(input);
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    if (!recursive) return usage(quoted(path) + " is a folder: use -r");
    if (to_stdout) return usage("a folder does not fit into standard output");
    const auto tree = std::make_shared<Tree>(path);
    Outputs mirror{.tree = tree};
    if (named) {
      if (!output_is_folder) plan.output_tree = std::make_shared<Tree>(*named);
      // With several inputs, each becomes a folder in -o.
      mirror = {.tree = plan.output_tree, .folder = output_is_folder ? base_name(path) : fs::path()};
    }
    add_folder(plan, direction, tree, mirror);
    return Done{};
  }
  if (to_stdout || (named && !output_is_folder)) {
    plan.jobs.push_back({.input = path, .output = named});
    return Done{};
  }
  const auto name = renamed(direction, path);
  if (!name) return usage(quoted(path) + ": name does not end in .cop: name its output with -o FILE");
  Job job{.input = path, .output = named ? *named / name->filename() : *name};
  if (named) job.output_place = {.tree = plan.output_tree, .relative = name->filename()};
  plan.jobs.push_back(std::move(job));
  return Done{};
}

// Why a job cannot have its output: the output of "..cop" would be a folder, and if two files have the same
// output, it is unclear which one is meant. Nothing if it can.
std::optional<Error> no_own_output(const Job& job, const std::vector<const Job*>& wanted_by) {
  const std::string name = job.output->filename().string();
  if (name == "." || name == "..")
    return Error(Code::conflict, "without .cop its name is \"" + name + "\", that of a folder: rename it");
  if (wanted_by.size() == 1) return std::nullopt;
  const Job& other = *(wanted_by.front() == &job ? wanted_by.back() : wanted_by.front());
  return Error(Code::conflict, "would become " + quoted(*job.output) + ", as " +
                                   quoted(fs::path(other.name())) + " would: name an output for each");
}

// Such a job fails, and the others are still done. Only a user who named two such files gets a usage error.
Status refuse_without_own_output(Plan& plan) {
  std::map<fs::path, std::vector<const Job*>> wanted;
  const auto place = [](const Job& job) { return fs::absolute(*job.output).lexically_normal(); };
  for (const Job& job : plan.jobs)
    if (job.output) wanted[place(job)].push_back(&job);
  std::vector<bool> refused;
  for (const Job& job : plan.jobs) {
    std::optional<Error> why;
    if (job.output) {
      const auto& by = wanted.at(place(job));
      why = no_own_output(job, by);
      if (by.size() > 1 && std::ranges::none_of(by, [](const Job* one) { return bool{one->input_place}; }))
        return usage(quoted(fs::path(job.name())) + " " + why->message());
    }
    refused.push_back(why.has_value());
    if (why) plan.failed.emplace_back(job.name(), *std::move(why));
  }
  std::size_t at = 0;
  std::erase_if(plan.jobs, [&](const Job&) { return refused[at++]; });
  return Done{};
}

}  // namespace

void report_left_out(const Plan& plan, Report& report) {
  for (const auto& [file, why] : plan.skipped) report.skipped(file, why);
  for (const auto& [file, why] : plan.failed) report.failed(file, why, exit_code_of_file(why.code()));
}

Result<Plan> plan_in_place(const std::vector<std::string>& inputs, bool recursive) {
  Plan plan;
  std::error_code ignored;
  for (const std::string& input : inputs) {
    if (input == "-") return usage("standard input cannot be changed where it is");
    if (!fs::is_directory(input, ignored)) {
      plan.jobs.push_back({.input = input, .output = input});
    } else if (!recursive) {
      return usage(quoted(fs::path(input)) + " is a folder: use -r");
    } else {
      const auto tree = std::make_shared<Tree>(input);
      add_folder(plan, Direction::open, tree, {.tree = tree});
      add_misnamed(plan, tree);
    }
  }
  for (Job& job : plan.jobs) {
    job.output = job.input;
    job.output_place = job.input_place;
    const auto size = fs::file_size(*job.input, ignored);
    if (!ignored) plan.input_size += size;
  }
  return plan;
}

Result<Plan> make_plan(Direction direction, const std::vector<std::string>& inputs, bool recursive,
                       const std::optional<std::string>& output) {
  std::error_code ignored;
  if (inputs.size() > 1 && output == "-") return usage("several files do not fit into standard output");
  if (std::count(inputs.begin(), inputs.end(), "-") > 1) return usage("standard input can be read once only");
  const bool one_folder = inputs.size() == 1 && fs::is_directory(inputs.front(), ignored);
  const bool output_is_folder =
      output && output != "-" && !one_folder && (inputs.size() > 1 || fs::is_directory(*output, ignored));
  Plan plan;
  if (output_is_folder) plan.output_tree = std::make_shared<Tree>(*output);
  for (const std::string& input : inputs) {
    auto added = add(plan, direction, input, recursive, output);
    if (!added) return std::move(added).error();
  }
  if (auto own = refuse_without_own_output(plan); !own) return std::move(own).error();
  for (const Job& job : plan.jobs) {
    const auto size = job.input ? fs::file_size(*job.input, ignored) : 0;
    if (!ignored) plan.input_size += size;
  }
  return plan;
}

Result<Input> open_input(const Job& job) {
  return job.input_place ? Input::open(job.input_place) : Input::open(job.input);
}

Status target_available(const Job& job, bool overwrite) {
  return job.output_place ? Target::available(job.output_place, overwrite)
                          : Target::available(job.output, overwrite);
}

std::optional<std::uint64_t> size_of_output(const Job& job) {
  struct stat present {};
  if (job.output_place) {
    const auto folder = job.output_place.folder(false);
    if (!folder || fstatat(folder->fd(), job.output_place.name().c_str(), &present, AT_SYMLINK_NOFOLLOW) != 0)
      return std::nullopt;
  } else if (!job.output || stat(job.output->c_str(), &present) != 0) {
    return std::nullopt;
  }
  if (!S_ISREG(present.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(present.st_size);
}

Result<Target> open_target(const Job& job, bool overwrite, const Input& input) {
  // A stream has no permissions, so only the owner gets access.
  const mode_t mode = (input.regular() ? input.permissions() : 0600) & ~current_umask();
  return job.output_place ? Target::open(job.output_place, overwrite, mode)
                          : Target::open(job.output, overwrite, mode);
}

}  // namespace coprotect::client
