#pragma once

#include <filesystem>
#include <optional>

#include "protocol/message/client_list.h"
#include "protocol/message/key_list.h"
#include "provisioning/handover/holder_group.h"
#include "provisioning/handover/key_folder.h"
#include "provisioning/handover/opened_kit.h"

namespace coprotect::provisioning {

// What `restore` is told to take of the lists that the agents show.
struct ListChoice {
  std::optional<std::uint64_t> keep_clients;  // the serial of the client list whose clients stay enrolled
  std::optional<std::uint64_t> key_list;      // the serial of the key list that counts; 0: there is none
};

// A tenant's lists as the agents show them that are left when the company lost its machines. Nobody else
// remembers the newer ones: an agent that lies, or was put back, can show older ones, with a client that was
// removed since, or without the list that disabled a key. So people say which serial numbers count.
class FoundLists {
 public:
  // `keys`: also as it was signed; nothing if there is none.
  FoundLists(protocol::ClientList clients, std::optional<protocol::KeyList> keys, Bytes encoded_keys)
      : clients_(std::move(clients)), keys_(std::move(keys)), encoded_keys_(std::move(encoded_keys)) {}
  // The newest that an agent shows, or a newer one in this folder, such as the one that the kit is in.
  static Result<FoundLists> find(HolderGroup& holders, const std::filesystem::path& folder);

  // Prints both, for people to judge.
  void show() const;
  // Code::denied, with the option that accepts it, if nobody said that this key list counts; Code::conflict
  // if one of another number was named.
  Status check(const ListChoice& choice) const;
  // The next client list: `administrator` and the kit's recovery administrator, and recovery administrators
  // of other keys, which agents hear about their own key alone. The others if the choice keeps them.
  Result<protocol::ClientList> renewed(const ListChoice& choice, const protocol::Certificate& administrator,
                                       const protocol::Certificate& recovery, std::int64_t now_ms) const;
  // The key list as it was signed; empty if there is none.
  const Bytes& keys() const { return encoded_keys_; }

 private:
  // The clients that are not enrolled again unless they are kept: name, and the beginning of the key's hash.
  std::vector<std::string> others() const;

  protocol::ClientList clients_;
  std::optional<protocol::KeyList> keys_;
  Bytes encoded_keys_;
};

// The list that was told, or the one of this kind in the folder, if the client CA signed it and it is newer.
// An empty list is none.
Bytes newer_of(const ListKind& kind, Bytes told, const std::filesystem::path& folder,
               const protocol::Certificate& ca);

// What an agent that joins is given: the newest lists that an agent shows, or the company's folder has. If
// the folder's is newer, an agent lies or was put back: all agents are given it again, and the operator is
// warned.
Result<TenantLists> lists_for_joiners(HolderGroup& holders, const KeyFolder& folder, const Operator& person);

// Puts the kit's recovery administrator on the newest client list that an agent has, if it is not there: with
// the client CA's key somebody else may have taken it off. May be repeated.
Status enrol_recovery(const OpenedKit& kit, const protocol::SigningKey& ca_key, std::int64_t now_ms,
                      Random& random);

}  // namespace coprotect::provisioning
