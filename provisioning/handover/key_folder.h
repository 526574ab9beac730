#pragma once

#include <optional>
#include <string>

#include "protocol/message/handover.h"
#include "protocol/recovery/kit.h"
#include "provisioning/client_directory.h"
#include "provisioning/durable.h"
#include "provisioning/handover/completion.h"

namespace coprotect::provisioning {

// The name of the file that stores all agents' acknowledgements.
inline std::string acknowledged_name(const std::string& key) {
  return key + ".acknowledged";
}

// One key in the folder that `onboard` made: its bundle, its kit and the administrator who requests changes.
// A handover renews them here. A new kit is first written to `.handover` inside, with its sheet. In a
// handover in which this tool confirms, that write is the commit.
class KeyFolder {
 public:
  // `key` is a further key's name; empty for the first one. The caller holds the lock of the company's
  // folder.
  static Result<KeyFolder> open(const std::filesystem::path& company, const std::string& key);

  const std::string& name() const { return name_; }  // of its files
  std::filesystem::path folder() const { return folder_; }
  const std::filesystem::path& company() const { return company_; }
  const protocol::Bundle& bundle() const { return bundle_; }
  const ClientDirectory& administrator() const { return administrator_; }
  // Nothing if the company keeps it elsewhere, as it should.
  Result<std::optional<protocol::RecoveryKit>> kit() const;
  // Whether the kit, if it is here, has another code than the one under which agents hold the recovery share.
  Result<bool> has_kit_of_another_code() const;

  // Stores a newer bundle of the key everywhere in the folder. May be repeated.
  Status renew(const protocol::Bundle& bundle);

  // All agents' acknowledgements of an epoch, for this folder to show when no agent does. Returns those of
  // the newest stored epoch; nothing if there are none.
  Status keep_acknowledgements(const protocol::RetireRequest& acknowledged);
  Result<std::optional<protocol::RetireRequest>> acknowledgements() const;
  // keep_acknowledgements() as a function. The folder must outlive it.
  KeepAcknowledgements keeps_acknowledgements() {
    return
        [this](const protocol::RetireRequest& acknowledged) { return keep_acknowledgements(acknowledged); };
  }

  // The commit point.
  Status commit(const protocol::RecoveryKit& kit, std::string_view sheet);
  // The kit that an earlier run committed but did not install.
  Result<std::optional<protocol::RecoveryKit>> committed() const;
  // Records, until install(), that the committed kit's code was tried and opened nothing at the agents.
  Status note_unopened();
  bool unopened() const;
  // Installs the committed kit and sheet. May be repeated.
  Status install();
  // Moves the committed kit to a separate folder beside the key's files, because agents say that the handover
  // was undone. If one of them lied, this may turn out to be the valid kit. Returns its new place.
  Result<std::filesystem::path> set_aside();
  // The certificate keys of the recovery administrators that this bundle's newest code replaces: that of the
  // code before, and those of kits that were set aside. They are identified by key, because another key's
  // recovery administrator may have the same name.
  Result<std::vector<Digest>> replaced_administrators(const protocol::Bundle& bundle) const;
  // The reverse of set_aside(): if a kit that was set aside belongs to this bundle and the present one does
  // not, commits it again. Returns whether there was one.
  Result<bool> take_up(const protocol::Bundle& bundle);

 private:
  KeyFolder(std::filesystem::path company, std::filesystem::path folder, std::string name,
            protocol::Bundle bundle, ClientDirectory administrator);
  std::filesystem::path staging() const { return folder_ / ".handover"; }
  std::filesystem::path aside(int number) const { return folder_ / ("taken-back-" + std::to_string(number)); }
  std::filesystem::path kit_file() const { return folder_ / (name_ + ".kit"); }
  std::filesystem::path bundle_file() const { return folder_ / (name_ + ".bundle"); }

  std::filesystem::path acknowledged_file() const { return folder_ / acknowledged_name(name_); }

  std::filesystem::path company_;
  std::filesystem::path folder_;
  std::string name_;
  protocol::Bundle bundle_;
  ClientDirectory administrator_;
};

}  // namespace coprotect::provisioning
