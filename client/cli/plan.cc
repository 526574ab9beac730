#include "client/cli/plan.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>

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

// x.cop of x, or x of x.cop. Nothing if that is not what the name is like.
std::optional<fs::path> renamed(Direction direction, const fs::path& path) {
  if (direction == Direction::seal) return fs::path(path.string() + std::string(kExtension));
  if (path.extension() != kExtension) return std::nullopt;
  return fs::path(path).replace_extension();
}

// Adds the files of a folder, in the order of their names, so that two runs are alike.
Status add_folder(Plan& plan, Direction direction, const fs::path& folder, const fs::path& mirror) {
  std::error_code error;
  std::vector<fs::path> found;
  fs::recursive_directory_iterator it(folder, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) found.push_back(it->path());
  if (error) return usage(quoted(folder) + " cannot be read: " + error.message());
  std::sort(found.begin(), found.end());

  for (const fs::path& path : found) {
    const fs::file_status status = fs::symlink_status(path, error);
    if (fs::is_directory(status)) continue;
    if (fs::is_symlink(status)) {
      plan.skipped.emplace_back(path.string(), "symbolic links are not followed");
    } else if (!fs::is_regular_file(status)) {
      plan.skipped.emplace_back(path.string(), "not a regular file");
    } else if (direction == Direction::seal && path.extension() == kExtension) {
      plan.skipped.emplace_back(path.string(), "is encrypted already");
    } else if (const auto name = renamed(direction, path.lexically_relative(folder)); !name) {
      plan.skipped.emplace_back(path.string(), "name does not end in .cop");
    } else {
      plan.jobs.push_back({.input = path, .output = mirror / *name, .make_folder = true});
    }
  }
  return Done{};
}

// The last component of a name, also of "folder/".
fs::path base_name(const fs::path& path) {
  const fs::path normal = fs::absolute(path).lexically_normal();
  return normal.has_filename() ? normal.filename() : normal.parent_path().filename();
}

Status add(Plan& plan, Direction direction, const std::string& input, bool recursive,
           const std::optional<std::string>& output, bool output_is_folder) {
  const bool to_stdout = output == "-";
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
    // The one folder becomes -o; of several, each becomes a folder in -o.
    if (named && output_is_folder) named = *named / base_name(path);
    return add_folder(plan, direction, path, named.value_or(path));
  }
  if (to_stdout || (named && !output_is_folder)) {
    plan.jobs.push_back({.input = path, .output = named});
    return Done{};
  }
  const auto name = renamed(direction, path);
  if (!name) return usage(quoted(path) + ": name does not end in .cop: name its output with -o FILE");
  plan.jobs.push_back(
      {.input = path, .output = named ? *named / name->filename() : *name, .make_folder = named.has_value()});
  return Done{};
}

}  // namespace

Result<Plan> plan_in_place(const std::vector<std::string>& inputs, bool recursive) {
  Plan plan;
  std::error_code ignored;
  for (const std::string& input : inputs) {
    if (input == "-") return usage("standard input cannot be changed where it is");
    if (!fs::is_directory(input, ignored)) {
      plan.jobs.push_back({.input = input, .output = input});
    } else if (!recursive) {
      return usage(quoted(fs::path(input)) + " is a folder: use -r");
    } else if (auto added = add_folder(plan, Direction::open, input, input); !added) {
      return std::move(added).error();
    }
  }
  for (Job& job : plan.jobs) {
    job.output = job.input;
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
  for (const std::string& input : inputs) {
    auto added = add(plan, direction, input, recursive, output, output_is_folder);
    if (!added) return std::move(added).error();
  }
  std::set<fs::path> outputs;
  for (const Job& job : plan.jobs) {
    if (job.output && !outputs.insert(fs::absolute(*job.output).lexically_normal()).second) {
      return usage("two files would become " + quoted(*job.output));
    }
    const auto size = job.input ? fs::file_size(*job.input, ignored) : 0;
    if (!ignored) plan.input_size += size;
  }
  return plan;
}

Result<Target> open_target(const Job& job, bool overwrite, const Input& input) {
  if (job.make_folder && job.output->has_parent_path()) {
    std::error_code error;
    fs::create_directories(job.output->parent_path(), error);
    if (error) {
      return Error(Code::unavailable,
                   quoted(job.output->parent_path()) + " cannot be made: " + error.message());
    }
  }
  // Of a stream nothing is known: its owner alone.
  const mode_t mode = input.regular() ? input.permissions() : 0600;
  return Target::open(job.output, overwrite, mode & ~current_umask());
}

}  // namespace coprotect::client
