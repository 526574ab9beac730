#include "agent/custodian/testing/old_disks.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "agent/custodian/kept_parts.h"
#include "agent/custodian/keys.h"
#include "agent/custodian/store.h"
#include "hsm/sealed_keeper.h"
#include "protocol/base/random.h"
#include "protocol/base/test_must.h"

namespace coprotect::agent::custodian::testing {

namespace fs = std::filesystem;

void OldDisks::take() {
  const fs::path disk = scratch_ / std::to_string(disks_.size());
  const fs::path state = hsm::state_of(disk);
  fs::create_directories(state);
  fs::copy_file(agent_.folder() / "keyring", disk / "keyring");
  for (const char* const name : {"store.db", "store.db-wal", hsm::kEpochKeysFile})
    if (fs::exists(agent_.state() / name)) fs::copy_file(agent_.state() / name, state / name);
  disks_.push_back(disk);
  const auto keyring = must(hsm::Keyring::open(hsm::Token(agent_.token()), disk / "keyring"));
  // In a separate copy, because opening the store writes to it.
  const harness::Scratch copy;
  for (const char* const name : {"store.db", "store.db-wal"})
    if (fs::exists(state / name)) fs::copy_file(state / name, copy / name);
  const auto store = must(Store::open(copy / "store.db"));
  DueEpochs due(keyring);
  Keys keys(keyring, due);
  {
    auto transaction = must(store->begin());
    must(keys.load(transaction));
  }
  for (const KeyPtr& key : keys.all_with_shares())
    for (const auto& [index, record] : key->shares)
      records_.insert_or_assign(record,
                                Record{key->share_id(index), record, key->sharing.public_share(index)});
  for (const KeyPtr& key : keys.all_with_shares())
    if (!key->recovery_parts.empty()) parts_.insert_or_assign(key->recovery_parts, key);
}

bool OldDisks::with_each_keeper(const std::function<bool(hsm::ShareKeeper&)>& opens) const {
  const hsm::Token token(agent_.token());
  std::vector<fs::path> folders = disks_;
  folders.push_back(agent_.folder());
  return std::ranges::any_of(folders, [&](const fs::path& folder) {
    const auto keyring = must(hsm::Keyring::open(token, folder / "keyring"));
    const auto keeper =
        hsm::make_sealed_keeper(token.named(keyring.token_name()),
                                hsm::state_of(folder) / hsm::kEpochKeysFile, std::chrono::milliseconds(0));
    return opens(*keeper);
  });
}

bool OldDisks::opens(const Record& record) const {
  return with_each_keeper([&](hsm::ShareKeeper& keeper) {
    const protocol::Element base = record.public_share.group().random_message(system_random());
    const auto partials = keeper.compute(record.id, record.record, record.public_share, {&base, 1}, Digest{},
                                         system_random(), Interest());
    invariant(partials || partials.error().code() == Code::altered);
    return bool(partials);
  });
}

bool OldDisks::parts_open(const Key& key) const {
  return with_each_keeper([&](hsm::ShareKeeper& keeper) {
    const auto parts = kept_parts(keeper, key);
    invariant(parts || parts.error().code() == Code::altered);
    return bool(parts);
  });
}

std::size_t OldDisks::parts_of(std::uint32_t epoch) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(parts_, [&](const auto& known) { return known.second->epoch() == epoch; }));
}

bool OldDisks::some_parts_open(std::uint32_t epoch) const {
  return std::ranges::any_of(
      parts_, [&](const auto& known) { return known.second->epoch() == epoch && parts_open(*known.second); });
}

bool OldDisks::all_parts_open(std::uint32_t epoch) const {
  return std::ranges::all_of(
      parts_, [&](const auto& known) { return known.second->epoch() != epoch || parts_open(*known.second); });
}

std::size_t OldDisks::records_of(std::uint32_t epoch) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(records_, [&](const auto& known) { return known.second.id.epoch == epoch; }));
}

bool OldDisks::some_open(std::uint32_t epoch) const {
  return std::ranges::any_of(
      records_, [&](const auto& known) { return known.second.id.epoch == epoch && opens(known.second); });
}

bool OldDisks::all_open(std::uint32_t epoch) const {
  return std::ranges::all_of(
      records_, [&](const auto& known) { return known.second.id.epoch != epoch || opens(known.second); });
}

bool OldDisks::on_present_disk(std::uint32_t epoch) const {
  std::string disk;
  for (const auto& file : fs::recursive_directory_iterator(agent_.folder())) {
    if (!file.is_regular_file()) continue;
    std::ifstream stream(file.path(), std::ios::binary);
    disk.append(std::istreambuf_iterator<char>(stream), {});
  }
  // A page may end anywhere in a record: looks for each piece of 24 bytes, except pieces that records of
  // other epochs share.
  constexpr std::size_t kPiece = 24;
  const auto of_another = [&](ByteView piece) {
    return std::ranges::any_of(records_, [&](const auto& known) {
      return known.second.id.epoch != epoch && !std::ranges::search(known.second.record, piece).empty();
    });
  };
  // Recovery parts are long: looks for some pieces. The first ones are like those of other epochs' parts.
  constexpr std::size_t kStep = 997;
  const auto of_other_parts = [&](ByteView piece) {
    return std::ranges::any_of(parts_, [&](const auto& known) {
      return known.second->epoch() != epoch && !std::ranges::search(known.first, piece).empty();
    });
  };
  for (const auto& [parts, key] : parts_) {
    if (key->epoch() != epoch) continue;
    for (std::size_t at = 0; at + kPiece <= parts.size(); at += kStep) {
      const ByteView piece = ByteView(parts).subspan(at, kPiece);
      if (!of_other_parts(piece) && disk.find(text_of(piece)) != std::string::npos) return true;
    }
  }
  return std::ranges::any_of(records_, [&](const auto& known) {
    const Bytes& record = known.second.record;
    if (known.second.id.epoch != epoch) return false;
    for (std::size_t at = 0; at + kPiece <= record.size(); at += kPiece) {
      const ByteView piece = ByteView(record).subspan(at, kPiece);
      if (!of_another(piece) && disk.find(text_of(piece)) != std::string::npos) return true;
    }
    return false;
  });
}

}  // namespace coprotect::agent::custodian::testing
