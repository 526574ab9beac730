#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "client/enrolment.h"
#include "protocol/message/client_list.h"
#include "protocol/message/key_list.h"
#include "protocol/recovery/kit.h"
#include "provisioning/credential.h"
#include "provisioning/durable.h"
#include "provisioning/operator.h"
#include "provisioning/signed_lists.h"

namespace coprotect::provisioning {

// The bundle of the first key in a folder that onboard left. Code::not_found if it is not such a folder.
Result<protocol::Bundle> first_bundle(const std::filesystem::path& directory);

// The client CA's key in such a folder. Asks for the passphrase.
Result<protocol::SigningKey> open_client_ca_key(const std::filesystem::path& directory,
                                                const protocol::Certificate& ca, const Operator& person);

// Which client list the next one changes, if the agents have another one than the folder.
enum class ListBase { newest, as_in_folder, as_at_agents };

// The folder that onboard left, opened for enrolment: bundle, client CA with its key, and the lists of
// clients and of keys.
class Registry {
 public:
  // Asks for the passphrase. `person` outlives it.
  static Result<Registry> open(const std::filesystem::path& directory, const Operator& person,
                               std::int64_t now_ms, Random& random);

  const protocol::Bundle& bundle() const { return bundle_; }
  const protocol::Certificate& ca() const { return bundle_.parameters()->client_ca; }
  const protocol::SigningKey& ca_key() const { return ca_key_; }
  // The administrator, who asks the agents.
  const client::Credentials& credentials() const { return *administrator_; }

  // The newest list that the folder or an agent has, or the one that people chose, with the newest's number.
  // Warns if the newest is not the folder's. Code::conflict if it also names the folder's administrator or a
  // recovery administrator no longer, and nobody chose: somebody else may have signed it to keep the company
  // out. If there are two of the newest number, first signs the folder's over both, and warns.
  Result<protocol::ClientList> clients(ListBase base = ListBase::newest);
  // Signs the list with the next serial number, keeps it in the folder, and gives it to both agents.
  Status publish(protocol::ClientList clients, std::int64_t now_ms);
  // Gives both agents the newest list as it is.
  Status publish_again();
  // Puts the kit's recovery administrator on the list, beside one that is there. May be repeated.
  Status enrol_recovery(const protocol::RecoveryKit& kit, std::int64_t now_ms);
  // The number of the newest, for people to note: what they know of it when only agents are left.
  std::string client_list_line() const;
  bool someone_lacks_newest() const { return clients_->lists.someone_lacks(clients_->newest); }

  // The same for keys. Before there is a list, one with serial 0, in which the first key, if it is for files,
  // encrypts. Warns of keys that this folder did not make, and of a list that is not the folder's; of two
  // with the newest number, see over_forked().
  Result<protocol::KeyList> keys(std::int64_t now_ms);
  Status publish(protocol::KeyList keys, std::int64_t now_ms);
  Status publish_keys_again();
  // As keys() got it; empty if there is none.
  const Bytes& newest_keys() const { return keys_->newest; }

 private:
  // A list at the agents and in the folder.
  struct Published {
    SignedLists lists;
    Bytes newest = {};
    std::optional<Bytes> kept = {};  // the folder's, which an agent may have taken
    bool others_sign = false;        // somebody else does, by what is seen or said: see serial_past_all()
  };
  Registry(DirectoryLock lock, std::filesystem::path directory, protocol::Bundle bundle,
           protocol::SigningKey ca_key, Credential administrator, Credential session, const Operator& person);

  // Code::not_found if there is none anywhere.
  Status fetch(Published& published);
  Status give(Published& published);
  // Puts the folder's list back, and `before` in the place of the newest.
  Status withdraw(Published& published, Bytes before);
  // Signs a list over a fork, warns, and gives it to all agents, so that the newest is one list again.
  Status end_fork(protocol::ClientList folders);
  Status end_fork(protocol::KeyList folders);
  // The one of these that counts.
  Result<protocol::ClientList> chosen(protocol::ClientList newest, ListBase base);
  void warn_unless_of_folder(const protocol::KeyList& newest);
  // `without` says what counts if the folder has no list.
  void warn_of(const Fork& fork, std::string_view without) const;
  template <typename List>
  Status sign_and_give(Published& published, List list, std::int64_t now_ms);

  const Operator* person_;
  DirectoryLock lock_;
  std::filesystem::path directory_;
  protocol::Bundle bundle_;
  protocol::SigningKey ca_key_;
  std::unique_ptr<client::Credentials> administrator_;
  std::unique_ptr<client::Credentials> session_;  // on the heap: the links refer to it
  std::unique_ptr<Published> clients_;
  std::unique_ptr<Published> keys_;
};

}  // namespace coprotect::provisioning
