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

// The bundle of the first key in a folder that onboard made. Code::not_found for any other folder.
Result<protocol::Bundle> first_bundle(const std::filesystem::path& directory);

// The client CA's key in such a folder. Asks for the passphrase.
Result<protocol::SigningKey> open_client_ca_key(const std::filesystem::path& directory,
                                                const protocol::Certificate& ca, const Operator& person);

// The client list that the next one changes, if the agents' differs from the folder's.
enum class ListBase { newest, as_in_folder, as_at_agents };

// The folder that onboard made, opened for enrolment: bundle, client CA with its key, and the lists of
// clients and keys.
class Registry {
 public:
  // Asks for the passphrase. `person` must outlive it.
  static Result<Registry> open(const std::filesystem::path& directory, const Operator& person,
                               std::int64_t now_ms, Random& random);

  const protocol::Bundle& bundle() const { return bundle_; }
  const protocol::Certificate& ca() const { return bundle_.parameters()->client_ca; }
  const protocol::SigningKey& ca_key() const { return ca_key_; }
  // The administrator's, with which agents are asked.
  const client::Credentials& credentials() const { return *administrator_; }

  // The newest list that the folder or an agent has, or the one that the operator chose, with the newest
  // serial number. Warns if the newest is not the folder's. Code::conflict if it also lacks the folder's
  // administrator or a recovery administrator and the operator did not choose: an attacker may have signed it
  // to lock the company out. If two lists have the newest number, it first signs the folder's list with a
  // number above both, and warns.
  Result<protocol::ClientList> clients(ListBase base = ListBase::newest);
  // Signs the list with the next serial number, stores it in the folder and sends it to both agents.
  Status publish(protocol::ClientList clients, std::int64_t now_ms);
  // Sends the newest list to both agents, unchanged.
  Status publish_again();
  // Adds the kit's recovery administrator to the list, beside an existing one. May be repeated.
  Status enrol_recovery(const protocol::RecoveryKit& kit, std::int64_t now_ms);
  // The newest serial number, for people to write down: after a loss of all but the agents they need it.
  std::string client_list_line() const;
  bool someone_lacks_newest() const { return clients_->lists.someone_lacks(clients_->newest); }

  // The same for keys. If there is no list, one with serial 0 in which the first key encrypts if it is for
  // files. Warns of keys that this folder did not make, and of a list that is not the folder's. If two lists
  // have the newest number, see over_forked().
  Result<protocol::KeyList> keys(std::int64_t now_ms);
  Status publish(protocol::KeyList keys, std::int64_t now_ms);
  Status publish_keys_again();
  // From keys(). Empty if there is none.
  const Bytes& newest_keys() const { return keys_->newest; }

 private:
  // A list at the agents and in the folder.
  struct Published {
    SignedLists lists;
    Bytes newest = {};
    std::optional<Bytes> kept = {};  // the folder's, which an agent may have accepted
    bool others_sign = false;        // another signer was seen or reported: see serial_past_all()
  };
  Registry(DirectoryLock lock, std::filesystem::path directory, protocol::Bundle bundle,
           protocol::SigningKey ca_key, Credential administrator, Credential session, const Operator& person);

  // Code::not_found if neither folder nor agents have one.
  Status fetch(Published& published);
  Status give(Published& published);
  // Restores the folder's list, and makes `before` the newest again.
  Status withdraw(Published& published, Bytes before);
  // Signs a list above a fork's number, warns, and sends it to all agents, so that there is one newest list
  // again.
  Status end_fork(protocol::ClientList folders);
  Status end_fork(protocol::KeyList folders);
  // The list that `base` selects.
  Result<protocol::ClientList> chosen(protocol::ClientList newest, ListBase base);
  void warn_unless_of_folder(const protocol::KeyList& newest);
  // `without` says what is valid if the folder has no list.
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
