#pragma once

#include <optional>
#include <string>

#include "protocol/message/handover.h"
#include "protocol/recovery/kit.h"
#include "provisioning/client_directory.h"
#include "provisioning/durable.h"
#include "provisioning/handover/completion.h"

namespace coprotect::provisioning {

// Of the file that keeps what all agents acknowledged.
inline std::string acknowledged_name(const std::string& key) {
  return key + ".acknowledged";
}

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
  const std::filesystem::path& company() const { return company_; }
  const protocol::Bundle& bundle() const { return bundle_; }
  const ClientDirectory& administrator() const { return administrator_; }
  // Nothing if the company keeps it elsewhere, as it should.
  Result<std::optional<protocol::RecoveryKit>> kit() const;
  // Whether the kit, if it is here, is of another code than the agents hold the recovery share under.
  Result<bool> has_kit_of_another_code() const;

  // Takes a newer bundle of the key, everywhere in the folder. May be repeated.
  Status renew(const protocol::Bundle& bundle);

  // What all agents of an epoch acknowledged, so that this folder can show it when no agent does. Of the
  // newest epoch that was kept; nothing if there is none.
  Status keep_acknowledgements(const protocol::RetireRequest& acknowledged);
  Result<std::optional<protocol::RetireRequest>> acknowledgements() const;
  // The first of these as a function; the folder outlives it.
  KeepAcknowledgements keeps_acknowledgements() {
    return
        [this](const protocol::RetireRequest& acknowledged) { return keep_acknowledgements(acknowledged); };
  }

  // The commit point.
  Status commit(const protocol::RecoveryKit& kit, std::string_view sheet);
  // What an earlier run committed and did not install.
  Result<std::optional<protocol::RecoveryKit>> committed() const;
  // Keeps in mind, until install(), that the committed kit's code was tried and opened nothing at the agents.
  Status note_unopened();
  bool unopened() const;
  // Puts the committed kit and sheet in their place. May be repeated.
  Status install();
  // Puts what was committed aside, in a folder of its own beside the key's files, because the agents say that
  // it was taken back: an agent that lies might show one day that it was not, and then this is the kit. Where
  // it is now.
  Result<std::filesystem::path> set_aside();
  // The certificate keys of the recovery administrators that the new code of this bundle's newest version
  // puts out of office: that of the code before it, and those of kits that are put aside. By key, since
  // another key's recovery administrator may have the same name.
  Result<std::vector<Digest>> replaced_administrators(const protocol::Bundle& bundle) const;
  // The other way round, if a kit that was put aside is that of this bundle and the present one is not: it is
  // committed again. Whether there was one.
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
