#pragma once

#include <optional>
#include <string>

#include "protocol/recovery/kit.h"
#include "provisioning/client_directory.h"
#include "provisioning/durable.h"

namespace coprotect::provisioning {

// One key in the folder that `onboard` made: its bundle, its kit and the administrator who asks for changes.
// A handover renews them here. A new kit is first written to `.handover` inside, with the sheet that goes
// with it: that write commits a handover in which this tool confirms.
class KeyFolder {
 public:
  // `key` is a further key's name; empty for the first one. The caller holds the lock of the company's
  // folder.
  static Result<KeyFolder> open(const std::filesystem::path& company, const std::string& key);

  const std::string& name() const { return name_; }  // of its files
  std::filesystem::path folder() const { return folder_; }
  const protocol::Bundle& bundle() const { return bundle_; }
  const ClientDirectory& administrator() const { return administrator_; }
  // Nothing if the company keeps it elsewhere, as it should.
  Result<std::optional<protocol::RecoveryKit>> kit() const;

  // Takes a newer bundle of the key, everywhere in the folder. May be repeated.
  Status renew(const protocol::Bundle& bundle);

  // The commit point.
  Status commit(const protocol::RecoveryKit& kit, std::string_view sheet);
  // What an earlier run committed and did not install.
  Result<std::optional<protocol::RecoveryKit>> committed() const;
  // Puts the committed kit and sheet in their place. May be repeated.
  Status install();
  // Forgets what was committed: nobody can complete it any more.
  Status discard();

 private:
  KeyFolder(std::filesystem::path company, std::filesystem::path folder, std::string name,
            protocol::Bundle bundle, ClientDirectory administrator);
  std::filesystem::path staging() const { return folder_ / ".handover"; }
  std::filesystem::path kit_file() const { return folder_ / (name_ + ".kit"); }
  std::filesystem::path bundle_file() const { return folder_ / (name_ + ".bundle"); }

  std::filesystem::path company_;
  std::filesystem::path folder_;
  std::string name_;
  protocol::Bundle bundle_;
  ClientDirectory administrator_;
};

}  // namespace coprotect::provisioning
