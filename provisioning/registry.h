#pragma once

#include <filesystem>
#include <memory>

#include "protocol/message/client_list.h"
#include "protocol/message/key_list.h"
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

// The folder that onboard left, opened for enrolment: bundle, client CA with its key, and the lists of
// clients and of keys.
class Registry {
 public:
  // Asks for the passphrase.
  static Result<Registry> open(const std::filesystem::path& directory, const Operator& person,
                               std::int64_t now_ms, Random& random);

  const protocol::Bundle& bundle() const { return bundle_; }
  const protocol::Certificate& ca() const { return bundle_.parameters()->client_ca; }
  const protocol::SigningKey& ca_key() const { return ca_key_; }

  // The newest list that the folder or an agent has.
  Result<protocol::ClientList> clients();
  // Signs the list with the next serial number, keeps it in the folder, and gives it to both agents.
  Status publish(protocol::ClientList clients, std::int64_t now_ms);
  // Gives both agents the newest list as it is.
  Status publish_again();
  bool someone_lacks_newest() const { return clients_->lists.someone_lacks(clients_->newest); }

  // The same for keys. Before there is a list, one with serial 0, in which the first key, if it is for files,
  // encrypts.
  Result<protocol::KeyList> keys(std::int64_t now_ms);
  Status publish(protocol::KeyList keys, std::int64_t now_ms);
  Status publish_keys_again();
  // As keys() got it; empty if there is none.
  const Bytes& newest_keys() const { return keys_->newest; }

 private:
  // A list at the agents and in the folder.
  struct Published {
    SignedLists lists;
    Bytes newest;
  };
  Registry(DirectoryLock lock, std::filesystem::path directory, protocol::Bundle bundle,
           protocol::SigningKey ca_key, Credential session);

  // Code::not_found if there is none anywhere.
  Status fetch(Published& published);
  Status give(Published& published);
  Status withdraw(Published& published, Bytes before);
  template <typename List>
  Status sign_and_give(Published& published, List list, std::int64_t now_ms);

  DirectoryLock lock_;
  std::filesystem::path directory_;
  protocol::Bundle bundle_;
  protocol::SigningKey ca_key_;
  std::unique_ptr<protocol::SigningKey> session_key_;  // on the heap: the links refer to it
  std::unique_ptr<Published> clients_;
  std::unique_ptr<Published> keys_;
};

}  // namespace coprotect::provisioning
