#include "provisioning/handover/found_lists.h"

#include <iostream>

#include "protocol/base/text.h"
#include "provisioning/clock.h"
#include "provisioning/credential.h"
#include "provisioning/durable.h"
#include "provisioning/report.h"
#include "provisioning/signed_lists.h"

namespace coprotect::provisioning {
namespace {

using protocol::ClientList;
using protocol::KeyList;

bool is_recovery(const ClientList& list, const std::string& uri) {
  return uri.starts_with("coprotect:" + list.tenant + ":recovery:");
}

Status check_serial(std::string_view option, std::uint64_t said, std::string_view list, std::uint64_t shown) {
  if (said == shown) return Done{};
  return Error(Code::conflict, std::string(option) + " names " + std::string(list) + " " +
                                   std::to_string(said) + ", and the agents show " + std::to_string(shown));
}

}  // namespace

Bytes newer_of(const ListKind& kind, Bytes told, const std::filesystem::path& folder,
               const protocol::Certificate& ca) {
  const auto kept = client::read_small_file(folder / kind.file, kMaxFile);
  if (!kept) return told;
  const auto kept_serial = kind.serial(*kept, ca);
  const auto told_serial = kind.serial(told, ca);
  const bool newer = kept_serial && (!told_serial || *kept_serial > *told_serial);
  return newer ? *kept : told;
}

Result<FoundLists> FoundLists::find(HolderGroup& holders, const std::filesystem::path& folder) {
  auto lists = holders.lists();
  if (!lists) return std::move(lists).error();
  const protocol::Certificate& ca = holders.bundle().parameters()->client_ca;
  lists->clients = newer_of(kClientLists, std::move(lists->clients), folder, ca);
  lists->keys = newer_of(kKeyLists, std::move(lists->keys), folder, ca);
  auto clients = ClientList::parse(lists->clients, ca);
  if (!clients) return std::move(clients).error();
  if (lists->keys.empty()) return FoundLists(*std::move(clients), std::nullopt, {});
  auto keys = KeyList::parse(lists->keys, ca);
  if (!keys) return std::move(keys).error();
  return FoundLists(*std::move(clients), std::optional(*std::move(keys)), lists->keys);
}

std::vector<std::string> FoundLists::others() const {
  constexpr std::size_t kShown = 8;  // bytes of a key's hash
  std::vector<std::string> others;
  for (const auto& [key, uri] : clients_.clients)
    if (!is_recovery(clients_, uri))
      others.push_back(printable(uri) + "  key " + to_hex(ByteView(key).first(kShown)) + "…");
  return others;
}

void FoundLists::show() const {
  std::cout << "client list " << clients_.serial << " of " << utc_text(clients_.time_ms) << '\n';
  for (const std::string& client : others()) std::cout << "  " << client << '\n';
  if (!keys_) {
    std::cout << "no key list: every key is as it was made\n";
    return;
  }
  std::cout << "key list " << keys_->serial << " of " << utc_text(keys_->time_ms) << '\n';
  for (const KeyList::Entry& entry : keys_->keys)
    std::cout << "  " << to_hex(entry.key_id) << "  " << protocol::key_use_name(entry.use) << '\n';
}

Status FoundLists::check(const ListChoice& choice) const {
  if (choice.keep_clients)
    if (auto same = check_serial("--keep-clients", *choice.keep_clients, "client list", clients_.serial);
        !same)
      return same;
  const std::uint64_t serial = keys_ ? keys_->serial : 0;
  if (choice.key_list) return check_serial("--key-list", *choice.key_list, "key list", serial);
  return with_hint(
      Error(
          Code::denied,
          "nobody said that the key list that the agents show is the newest: an agent that lies, or was put "
          "back, shows an older one, in which a key is in use that was disabled since"),
      "if it is the newest that you know of, say --key-list " + std::to_string(serial) +
          "; if nobody of the clients shown was removed since, and none had its key replaced, "
          "--keep-clients " +
          std::to_string(clients_.serial) + " keeps them enrolled");
}

Result<ClientList> FoundLists::renewed(const ListChoice& choice, const protocol::Certificate& administrator,
                                       const protocol::Certificate& recovery, std::int64_t now_ms) const {
  const auto identity = protocol::client_identity(administrator);
  if (!identity) return identity.error();
  const auto rescuer = protocol::client_identity(recovery);
  if (!rescuer) return Error(rescuer.error()).in("recovery kit");
  ClientList list = clients_;
  std::erase_if(list.clients, [&](const auto& client) {
    const bool kept = choice.keep_clients || is_recovery(list, client.second);
    return !kept || client.second == identity->uri;
  });
  // A list that leaves no room for these two is a thief's.
  if (list.clients.size() + 2 > ClientList::kMaxClients) {
    if (choice.keep_clients)
      return with_hint(Error(Code::conflict, "the client list is full"),
                       "without --keep-clients nobody on it stays enrolled");
    list.clients.clear();
  }
  list.clients.insert_or_assign(administrator.key_hash(), identity->uri);
  list.clients.insert_or_assign(recovery.key_hash(), rescuer->uri);
  // An agent that lies or was rolled back shows an older list than the company's newest. If the next list had
  // the next number, lists that followed the shown one would become valid again.
  const auto serial = serial_past_all(kClientLists, list.serial, now_ms);
  if (!serial) return serial.error();
  list.serial = *serial;
  list.time_ms = now_ms;
  return list;
}

Result<TenantLists> lists_for_joiners(HolderGroup& holders, const KeyFolder& folder, const Operator& person) {
  auto lists = holders.lists();
  if (!lists) return std::move(lists).error();
  const protocol::Bundle& bundle = holders.bundle();
  for (const auto& [kind, list] : {std::pair(&kClientLists, &lists->clients), {&kKeyLists, &lists->keys}}) {
    Bytes newest = newer_of(*kind, *list, folder.company(), bundle.parameters()->client_ca);
    if (newest == *list) continue;
    *list = std::move(newest);
    const ClientDirectory& administrator = folder.administrator();
    SignedLists agents(*kind, bundle, {administrator.certificate}, administrator.key);
    const auto given = agents.push(*list);
    person.warn("the agents show an older " + std::string(kind->name) + " than the one in \"" +
                folder.company().string() +
                "\", which they are given again: one of them was put back, or lies" +
                (given ? "" : ". Not all took it: " + given.error().message()));
  }
  return lists;
}

Status enrol_recovery(const OpenedKit& kit, const protocol::SigningKey& ca_key, std::int64_t now_ms,
                      Random& random) {
  const protocol::Certificate& ca = kit.bundle.parameters()->client_ca;
  const auto session = new_session(kit.bundle.tenant(), ca, ca_key, now_ms, random);
  if (!session) return session.error();
  SignedLists lists(kClientLists, kit.bundle, {session->certificate}, session->key);
  const auto newest = lists.newest(std::nullopt);
  if (!newest) return newest.error();
  auto list = ClientList::parse(*newest, ca);
  if (!list) return list.error();
  const protocol::Certificate& administrator = kit.administrator.certificate;
  const auto identity = protocol::client_identity(administrator);
  if (!identity) return Error(identity.error()).in("recovery kit");
  const auto enrolled = list->clients.find(administrator.key_hash());
  if (enrolled != list->clients.end() && enrolled->second == identity->uri) return Done{};
  // A full list is a thief's. Nobody on it is needed for what follows.
  if (list->clients.size() >= ClientList::kMaxClients) list->clients.clear();
  list->clients.insert_or_assign(administrator.key_hash(), identity->uri);
  const auto serial = serial_after(kClientLists, list->serial);
  if (!serial) return serial.error();
  list->serial = *serial;
  list->time_ms = now_ms;
  const auto given = lists.push(list->sign(ca_key));
  return given || !lists.refused_by_all() ? Status(Done{}) : given;
}

}  // namespace coprotect::provisioning
