#pragma once

#include <filesystem>
#include <optional>

#include "protocol/message/client_list.h"
#include "protocol/message/key_list.h"
#include "provisioning/handover/holder_group.h"
#include "provisioning/handover/key_folder.h"
#include "provisioning/handover/opened_kit.h"

namespace coprotect::provisioning {

// Which of the lists that agents show `restore` uses, according to the operator.
struct ListChoice {
  std::optional<std::uint64_t> keep_clients;  // the serial of the client list whose clients stay enrolled
  std::optional<std::uint64_t> key_list;      // the serial of the valid key list; 0: there is none
};

// A tenant's lists as the remaining agents show them after the company lost its machines. No other copy of
// newer ones exists. An agent that lies or was rolled back can show older ones, which list a client that has
// since been removed, or lack the list that disabled a key. So people decide which serial numbers are valid.
class FoundLists {
 public:
  // `keys` is also given as it was signed. Nothing if there is none.
  FoundLists(protocol::ClientList clients, std::optional<protocol::KeyList> keys, Bytes encoded_keys)
      : clients_(std::move(clients)), keys_(std::move(keys)), encoded_keys_(std::move(encoded_keys)) {}
  // The newest that an agent shows, or a newer one in this folder, e.g. where the kit is.
  static Result<FoundLists> find(HolderGroup& holders, const std::filesystem::path& folder);

  // Prints both, for people to judge.
  void show() const;
  // Code::denied, with the option that accepts it, if the operator did not confirm this key list.
  // Code::conflict if another number was named.
  Status check(const ListChoice& choice) const;
  // The next client list: `administrator`, the kit's recovery administrator, and the recovery administrators
  // of other keys, whom agents accept only for their own key. Includes the other clients if the choice keeps
  // them.
  Result<protocol::ClientList> renewed(const ListChoice& choice, const protocol::Certificate& administrator,
                                       const protocol::Certificate& recovery, std::int64_t now_ms) const;
  // The key list as it was signed. Empty if there is none.
  const Bytes& keys() const { return encoded_keys_; }

 private:
  // Clients that are not enrolled again unless they are kept: name, and the beginning of the key's hash.
  std::vector<std::string> others() const;

  protocol::ClientList clients_;
  std::optional<protocol::KeyList> keys_;
  Bytes encoded_keys_;
};

// The list that was received, or the folder's list of this kind if the client CA signed it and it is newer.
// An empty list means none.
Bytes newer_of(const ListKind& kind, Bytes told, const std::filesystem::path& folder,
               const protocol::Certificate& ca);

// The lists for an agent that joins: the newest that an agent shows or the company's folder has. If the
// folder's is newer, an agent lies or was rolled back. Then all agents are sent it again, and the operator is
// warned.
Result<TenantLists> lists_for_joiners(HolderGroup& holders, const KeyFolder& folder, const Operator& person);

// Adds the kit's recovery administrator to the newest client list of an agent, unless it is there: an
// attacker with the client CA's key may have removed it. May be repeated.
Status enrol_recovery(const OpenedKit& kit, const protocol::SigningKey& ca_key, std::int64_t now_ms,
                      Random& random);

}  // namespace coprotect::provisioning
