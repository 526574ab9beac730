#include "provisioning/onboarding_directory.h"

#include <algorithm>
#include <vector>

namespace coprotect::provisioning {

namespace {

constexpr std::string_view kUnopenedMark = "unopened";

}  // namespace

namespace fs = std::filesystem;

Result<OnboardingDirectory> OnboardingDirectory::open(const fs::path& directory, const std::string& name) {
  if (auto made = make_private_directory(directory); !made) return std::move(made).error();
  if (auto own = check_own_directory(directory); !own) return std::move(own).error();
  auto lock = DirectoryLock::acquire(directory);
  if (!lock) return std::move(lock).error();
  OnboardingDirectory opened(directory, name, std::move(*lock));
  std::error_code error;
  const bool empty = fs::is_empty(directory, error);
  if (error)
    return Error(Code::unavailable, "cannot read \"" + directory.string() + "\": " + error.message());
  if (!empty && !opened.complete() && !fs::is_directory(opened.staging(), error))
    return Error(Code::conflict, "\"" + directory.string() +
                                     "\" holds something else than an onboarding of \"" + name + "\"");
  return opened;
}

bool OnboardingDirectory::complete() const {
  std::error_code ignored;
  return fs::exists(directory_ / kit_name(), ignored);
}

bool OnboardingDirectory::committed() const {
  std::error_code ignored;
  return complete() || fs::exists(staging() / kit_name(), ignored);
}

Status OnboardingDirectory::begin() {
  invariant(!committed());
  if (auto removed = remove_tree(staging()); !removed) return removed;
  return make_private_directory(staging());
}

Status OnboardingDirectory::commit(const protocol::RecoveryKit& kit) {
  return write_durable(staging() / kit_name(), kit.encode(), kPrivateMode);
}

Result<protocol::RecoveryKit> OnboardingDirectory::kit() const {
  auto encoded = client::read_small_file(find(kit_name()), kMaxFile);
  if (!encoded) return std::move(encoded).error();
  auto kit = protocol::RecoveryKit::parse(*encoded);
  if (!kit) return std::move(kit).error().in("\"" + find(kit_name()).string() + "\"");
  return kit;
}

Status OnboardingDirectory::note_unopened() {
  return write_durable(staging() / kUnopenedMark, {}, kPublicMode);
}

bool OnboardingDirectory::unopened() const {
  std::error_code ignored;
  return fs::exists(staging() / kUnopenedMark, ignored);
}

fs::path OnboardingDirectory::find(const std::string& name) const {
  std::error_code ignored;
  const fs::path staged = staging() / name;
  return fs::exists(staged, ignored) ? staged : directory_ / name;
}

Status OnboardingDirectory::install() {
  std::error_code error;
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(staging(), error)) names.push_back(entry.path().filename());
  if (error && !complete())
    return Error(Code::unavailable, "cannot read \"" + staging().string() + "\": " + error.message());
  std::ranges::stable_partition(names, [&](const fs::path& name) { return name != kit_name(); });
  for (const fs::path& name : names) {
    // A killed run's temporary file. Its final file was written again.
    if (name == kUnopenedMark || name.string().find(".tmp-") != std::string::npos) continue;
    if (auto moved = rename_durable(staging() / name, directory_ / name); !moved) return moved;
  }
  return remove_tree(staging());
}

}  // namespace coprotect::provisioning
