#pragma once

#include "protocol/recovery/kit.h"
#include "provisioning/durable.h"

namespace coprotect::provisioning {

// The folder that `onboard` leaves with the company, or `add-key` within it, and how it comes to be. Files
// are first written to
// `.onboarding` inside; the kit, which holds the complete bundle, is written there last, and that write is
// the tool's commit: before it the key is void, after it the key stands and what is missing is finished by
// whoever runs next. Then the files move out, the kit again last.
class OnboardingDirectory {
 public:
  // Makes the folder (0700) if need be and locks it. `name` is the tenant's, or a further key's: its kit is
  // NAME.kit. Code::conflict if another process has it or it holds something else.
  static Result<OnboardingDirectory> open(const std::filesystem::path& directory, const std::string& name);

  // The kit moved out: all is done.
  bool complete() const;
  // The kit was written, here or there: the key stands.
  bool committed() const;

  // An empty staging folder, in which nothing of an earlier run is left. Only if not committed.
  Status begin();
  std::filesystem::path staging() const { return directory_ / ".onboarding"; }
  std::filesystem::path final() const { return directory_; }
  // The commit point.
  Status commit(const protocol::RecoveryKit& kit);
  // The kit of a committed folder.
  Result<protocol::RecoveryKit> kit() const;
  // Keeps in mind, until install(), that the committed kit's code was tried and opened nothing at the agents.
  Status note_unopened();
  bool unopened() const;
  // A file or folder by its final name, wherever it is now.
  std::filesystem::path find(const std::string& name) const;
  // Moves what is staged to where it belongs, the kit last. May be repeated.
  Status install();

 private:
  OnboardingDirectory(std::filesystem::path directory, std::string name, DirectoryLock lock)
      : directory_(std::move(directory)), name_(std::move(name)), lock_(std::move(lock)) {}
  std::string kit_name() const { return name_ + ".kit"; }

  std::filesystem::path directory_;
  std::string name_;
  DirectoryLock lock_;
};

}  // namespace coprotect::provisioning
