#pragma once

#include "protocol/recovery/kit.h"
#include "provisioning/durable.h"

namespace coprotect::provisioning {

// The folder that `onboard` makes for the company, or `add-key` within it, and how it is created. Files are
// first written to `.onboarding` inside it. The kit, which contains the complete bundle, is written there
// last. That write is the tool's commit: before it the key is void; after it the key is valid, and the next
// run finishes what is missing. Then the files move out, again with the kit last.
class OnboardingDirectory {
 public:
  // Creates the folder (0700) if it is missing, and locks it. `name` is the tenant's, or a further key's: its
  // kit is NAME.kit. Code::conflict if another process holds the lock or the folder contains something else.
  static Result<OnboardingDirectory> open(const std::filesystem::path& directory, const std::string& name);

  // The kit has been moved out: everything is done.
  bool complete() const;
  // The kit has been written, staged or final: the key is valid.
  bool committed() const;

  // An empty staging folder without anything from an earlier run. Only if not committed.
  Status begin();
  std::filesystem::path staging() const { return directory_ / ".onboarding"; }
  std::filesystem::path final() const { return directory_; }
  // The commit point.
  Status commit(const protocol::RecoveryKit& kit);
  // The kit of a committed folder.
  Result<protocol::RecoveryKit> kit() const;
  // Records, until install(), that the committed kit's code was tried and opened nothing at the agents.
  Status note_unopened();
  bool unopened() const;
  // A file or folder by its final name, wherever it is now.
  std::filesystem::path find(const std::string& name) const;
  // Moves the staged files to their final places, the kit last. May be repeated.
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
