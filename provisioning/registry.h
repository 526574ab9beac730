#pragma once

#include <filesystem>
#include <memory>

#include "provisioning/client_lists.h"
#include "provisioning/credential.h"
#include "provisioning/durable.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// The folder that onboard left, opened for enrolment: bundle, client CA with its key, and the list of
// clients.
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
  bool someone_lacks_newest() const { return lists_->someone_lacks(newest_); }

 private:
  Registry(DirectoryLock lock, std::filesystem::path directory, protocol::Bundle bundle,
           protocol::SigningKey ca_key, Credential session);

  DirectoryLock lock_;
  std::filesystem::path directory_;
  protocol::Bundle bundle_;
  protocol::SigningKey ca_key_;
  std::unique_ptr<protocol::SigningKey> session_key_;  // on the heap: the links refer to it
  std::unique_ptr<ClientLists> lists_;
  Bytes newest_;
};

}  // namespace coprotect::provisioning
