#include <map>
#include <set>

#include "agent/custodian/custodian.h"
#include "agent/custodian/replay.h"
#include "hsm/log_repair_files.h"

// How the custodian is opened: reads the store and the log together, and finishes pending work of the token.
namespace coprotect::agent::custodian {
Custodian::Custodian(Settings settings, hsm::Keyring keyring, std::unique_ptr<hsm::ShareKeeper> keeper,
                     std::unique_ptr<Store> store)
    : settings_(std::move(settings)),
      keyring_(std::move(keyring)),
      keeper_(noting(std::move(keeper), uses_, settings_.now_ms)),
      store_(std::move(store)),
      running_(keyring_, settings_.steady_ms),
      due_(keyring_),
      keys_(keyring_, due_),
      log_(keyring_, due_),
      contacts_(settings_),
      held_(settings_, keyring_, *store_, keys_, log_, contacts_),
      clients_(keyring_),
      key_lists_(keyring_, keys_, running_, settings_.destroy_wait),
      peers_(settings_, keyring_, *store_, keys_, {clients_, key_lists_}, log_),
      server_policy_{.allow_recover = settings_.allow_recover, .derive = settings_.derive},
      caps_(settings_),
      backup_(settings_.state()),
      refusals_(*store_, log_),
      offers_(keyring_, *keeper_),
      epochs_(settings_, *keeper_, *store_, keys_, key_lists_, peers_.other_life(), log_),
      parts_checks_(*store_, keys_, *keeper_),
      conditions_(parts_checks_, drills_, clients_, contacts_, held_, *store_, keys_),
      ceremonies_(settings_, keyring_, *keeper_, offers_, *store_, keys_, key_lists_, log_, refusals_,
                  epochs_, caps_),
      handovers_(settings_, keyring_, *keeper_, offers_, *store_, keys_, running_, log_, epochs_, peers_,
                 contacts_, conditions_, caps_),
      cuts_(settings_, keyring_, *store_, log_, peers_),
      erasure_(epochs_, held_, *store_, keys_, key_lists_, log_),
      health_(settings_.role, *keeper_) {
  store_->seal_with([this](Transaction& transaction) { return due_.seal(transaction); });
}

Result<std::unique_ptr<Custodian>> Custodian::open(Settings settings, hsm::Keyring keyring,
                                                   std::unique_ptr<hsm::ShareKeeper> keeper) {
  auto store = Store::open(settings.state() / "store.db");
  if (!store) return std::move(store).error();
  auto custodian = std::unique_ptr<Custodian>(
      new Custodian(std::move(settings), std::move(keyring), std::move(keeper), *std::move(store)));
  if (auto loaded = custodian->load(); !loaded) return std::move(loaded).error();
  const auto sealed = custodian->sealed_before();
  if (!sealed) return sealed.error();
  if (auto recovered = custodian->keeper_->recover(*sealed); !recovered) return std::move(recovered).error();
  if (auto begun = custodian->begin_store(); !begun) return std::move(begun).error();
  // Only erasures that had begun: the store may have been rolled back, and no peer was asked yet. sweep()
  // continues.
  static_cast<void>(custodian->erasure_.run(custodian->settings_.now_ms(), [](const Key&) { return false; }));
  return custodian;
}

Result<std::unique_ptr<Custodian>> Custodian::inspect(Settings settings, hsm::Keyring keyring,
                                                      std::unique_ptr<hsm::ShareKeeper> keeper) {
  auto store = Store::copy(settings.state() / "store.db");
  if (!store) return std::move(store).error();
  auto custodian = std::unique_ptr<Custodian>(
      new Custodian(std::move(settings), std::move(keyring), std::move(keeper), *std::move(store)));
  if (auto loaded = custodian->load(); !loaded) return std::move(loaded).error();
  return custodian;
}

Result<std::optional<std::int64_t>> Custodian::newest_entry_ms() {
  const auto transaction = store_->begin();  // which guards it
  if (!transaction) return transaction.error();
  const auto head = log_.head();
  return head ? std::optional(head->time_ms) : std::nullopt;
}

// A row exists once its share was sealed, and remains, or is due for erasure, as long as the share does.
Result<hsm::Sealed> Custodian::sealed_before() {
  if (!keys_.empty()) return hsm::Sealed::before;
  auto transaction = store_->begin();
  if (!transaction) return std::move(transaction).error();
  return keys_.epochs_due(*transaction).empty() ? hsm::Sealed::never : hsm::Sealed::before;
}

// A new store gets its seal before anything is sealed in the token. So a store without a seal, beside a table
// that has epoch keys, has replaced another one.
Status Custodian::begin_store() {
  if (!due_.is_new()) return Done{};
  const auto epochs = keeper_->epochs();
  if (!epochs) return epochs.error();
  if (!epochs->empty()) {
    const std::set<hsm::EpochId> all(epochs->begin(), epochs->end());
    return Error(Code::altered, "store \"" + (settings_.state() / "store.db").string() +
                                    "\" is missing or empty, but this agent had shares of " +
                                    std::to_string(all.size()) + " epochs, of key " +
                                    to_hex(all.begin()->key_id) + (all.size() > 1 ? " and others" : "") +
                                    ": put store.db back, or restore the newest backup with "
                                    "coprotect-provision restore-backup");
  }
  auto transaction = store_->begin();
  if (!transaction) return std::move(transaction).error();
  transaction->renew_seal();
  return transaction->commit();
}

Status Custodian::load() {
  auto transaction = store_->begin();
  if (!transaction) return std::move(transaction).error();
  peers_.on_put_back([this](Transaction& t) { return handovers_.forget_announcements(t); });
  if (auto loaded = running_.load(*transaction); !loaded) return loaded;
  if (auto loaded = keys_.load(*transaction); !loaded) return loaded;
  if (auto loaded = clients_.load(*transaction, keys_); !loaded) return loaded;
  if (auto loaded = handovers_.load(*transaction); !loaded) return loaded;
  if (auto loaded = peers_.load(*transaction); !loaded) return loaded;
  if (auto loaded = key_lists_.load(*transaction); !loaded) return loaded;
  if (auto loaded = replay::load(*transaction); !loaded) return loaded;

  struct Listed {
    std::uint64_t seq;
    Digest hash;
  };
  std::map<std::string, Listed> last_lists;  // by tenant, as the log has them
  std::map<std::string, Listed> last_key_lists;
  const auto learn = [&](const protocol::LogEntry& entry) {
    drills_.count(entry);
    peers_.visit(entry);
    held_.visit(entry);
    if (entry.kind == protocol::EntryKind::client_list)
      last_lists.insert_or_assign(entry.tenant, Listed{entry.seq, entry.request_hash});
    if (entry.kind == protocol::EntryKind::key_list && !is_hold(entry))
      last_key_lists.insert_or_assign(entry.tenant, Listed{entry.seq, entry.request_hash});
  };
  const auto begin = [&](const LogState& cut_off) {
    caps_.take_counts_of(cut_off.caps());
    cut_off.replay(learn);
  };
  const auto visit = [&](const protocol::LogEntry& entry) {
    caps_.count(entry);
    learn(entry);
  };
  constexpr std::int64_t kOldMs = std::int64_t{48} * 60 * 60 * 1000;
  const hsm::LogRepairFiles repairs(settings_.folder, keyring_);
  const LogReading reading{.begin = begin,
                           .visit = visit,
                           .repairs = [&](std::uint64_t seq) { return repairs.of(seq); },
                           .old_ms = settings_.now_ms() - kOldMs};
  if (auto loaded = log_.load(*transaction, reading); !loaded) return loaded;
  // The entry that the store was restored or rolled back may be among them.
  if (!log_.damaged().empty()) peers_.suspect();
  // A later list may be among the damaged entries: then only the row's MACs vouch for it.
  const auto may_be_later = [&](const Listed& last) {
    return !log_.damaged().empty() && log_.damaged().rbegin()->first > last.seq;
  };
  // Each of these was written in one transaction with a log entry: they can only be older or newer together.
  if (!keys_.empty() && log_.last_seq() == 0) return Error(Code::altered, "the log was altered: it is gone");
  for (const auto& [tenant, last] : last_lists) {
    const auto clients = clients_.of_tenant(tenant);
    if (clients == nullptr || (protocol::sha256(clients->encoded) != last.hash && !may_be_later(last)))
      return Error(Code::altered,
                   "store: the client list of tenant \"" + tenant + "\" is not the last one in the log");
  }
  for (const auto& [tenant, last] : last_key_lists) {
    const auto keys = key_lists_.of_tenant(tenant);
    if (keys == nullptr || (protocol::sha256(keys->encoded) != last.hash && !may_be_later(last)))
      return Error(Code::altered,
                   "store: the key list of tenant \"" + tenant + "\" is not the last one in the log");
  }
  if (auto complete = due_.check_rows(*transaction); !complete) return complete;
  transaction->rows().keep();
  return transaction->commit();
}

}  // namespace coprotect::agent::custodian
