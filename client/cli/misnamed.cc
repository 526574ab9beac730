#include "client/cli/misnamed.h"

#include "client/files/encrypted_file.h"

namespace coprotect::client {
namespace fs = std::filesystem;
namespace {

bool is_regular_file_itself(const fs::path& file) {
  std::error_code ignored;
  return fs::is_regular_file(fs::symlink_status(file, ignored));
}

// Why skipping this regular file would be wrong. Nothing if it is right.
std::optional<Error> wrongly_skipped(const fs::path& file, Direction direction) {
  auto input = Input::open(file);
  const auto encrypted = input ? is_encrypted(*input) : Result<bool>(std::move(input).error());
  if (!encrypted) return encrypted.error();
  if (direction == Direction::open && *encrypted)
    return Error(Code::conflict,
                 "is encrypted, but its name does not end in .cop: name this file, and its output with -o");
  if (direction == Direction::seal && !*encrypted)
    return Error(Code::conflict,
                 "is not encrypted, though its name ends in .cop: name this file, or rename it");
  return std::nullopt;
}

}  // namespace

void add_misnamed(Plan& plan, const std::shared_ptr<Tree>& tree) {
  std::vector<std::pair<std::string, std::string>> skipped;
  for (auto& [file, why] : plan.skipped) {
    const fs::path relative = fs::path(file).lexically_relative(tree->root());
    const bool in_tree = !relative.empty() && *relative.begin() != "..";
    if (in_tree && is_regular_file_itself(file)) {
      Job job{.input = file, .output = file, .input_place = {.tree = tree, .relative = relative}};
      auto input = open_input(job);
      const auto encrypted = input ? is_encrypted(*input) : Result<bool>(true);
      if (!encrypted || *encrypted) {
        plan.jobs.push_back(std::move(job));
        continue;
      }
      why = "not encrypted";
    }
    skipped.emplace_back(std::move(file), std::move(why));
  }
  plan.skipped = std::move(skipped);
}

void fail_misnamed(Plan& plan, Direction direction, Report& report) {
  std::erase_if(plan.skipped, [&](const auto& skipped) {
    if (!is_regular_file_itself(skipped.first)) return false;
    const auto why = wrongly_skipped(skipped.first, direction);
    if (why) report.failed(skipped.first, *why, exit_code_of_file(why->code()));
    return why.has_value();
  });
}

}  // namespace coprotect::client
