#include "hsm/epoch_keys.h"

#include <algorithm>
#include <utility>

#include "hsm/durable_file.h"
#include "protocol/base/fault.h"
#include "protocol/base/random.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"

namespace coprotect::hsm {
namespace {

constexpr std::uint8_t kTableVersion = 2;
constexpr std::size_t kEpochKeySize = 32;
constexpr std::size_t kMarkSize = sizeof(protocol::KeyId) + 4;
constexpr std::size_t kEntrySize = kMarkSize + kEpochKeySize;
constexpr std::size_t kMaxTable = std::size_t{16} << 20;
constexpr std::size_t kMaxDoomed = 8;

std::string label_of(const EpochId& epoch) {
  return "epoch " + std::to_string(epoch.epoch) + " of key " + to_hex(epoch.key_id);
}

RootId fresh_root_id() {
  RootId id;
  system_random().fill(id);
  return id;
}

}  // namespace

EpochKeys::EpochKeys(Token token, std::filesystem::path file)
    : token_(std::move(token)), file_(std::move(file)) {}

Status EpochKeys::recover(Sealed sealed) {
  const std::lock_guard lock(mutex_);
  must_exist_ |= sealed == Sealed::before;
  if (auto done = load(); !done) return done;
  return destroy_doomed();
}

Status EpochKeys::check(Sealed sealed) {
  const std::lock_guard lock(mutex_);
  must_exist_ |= sealed == Sealed::before;
  return load();
}

Result<std::vector<EpochId>> EpochKeys::epochs() {
  const std::lock_guard lock(mutex_);
  if (auto done = load(); !done) return std::move(done).error();
  std::vector<EpochId> all;
  for (const auto& [epoch, key] : keys_) all.push_back(epoch);
  return all;
}

Result<Secret> EpochKeys::get_or_make(const EpochId& epoch) {
  const std::lock_guard lock(mutex_);
  if (auto done = load(); !done) return std::move(done).error();
  // Destroys the old root, so that no older table can be opened by the time the key is used.
  if (auto done = destroy_doomed(); !done) return std::move(done).error();
  if (const auto found = keys_.find(epoch); found != keys_.end()) return found->second.clone();
  if (auto made = make_first_root(); !made) return std::move(made).error();
  Secret key(kEpochKeySize);
  system_random().fill(key.fill());
  if (was_destroyed(epoch)) {
    auto made = switch_root([&] { keys_.emplace(epoch, key.clone()); });
    if (made) made = destroy_doomed();
    if (!made) return std::move(made).error();
    return key;
  }
  keys_.emplace(epoch, key.clone());
  if (auto written = write(*root_, doomed_); !written) {
    loaded_ = false;  // read the state from the disk again
    return std::move(written).error();
  }
  return key;
}

Result<Secret> EpochKeys::get(const EpochId& epoch) {
  const std::lock_guard lock(mutex_);
  if (auto done = load(); !done) return std::move(done).error();
  const auto found = keys_.find(epoch);
  if (found != keys_.end()) return found->second.clone();
  const std::string name = "the sealing key of " + label_of(epoch);
  if (was_destroyed(epoch)) return Error(Code::altered, name + " was destroyed: what it sealed is erased");
  return Error(Code::altered, name + " is not in \"" + file_.string() +
                                  "\", which does not say that it was destroyed: that file is an older copy");
}

Status EpochKeys::destroy(std::span<const EpochId> epochs) {
  const std::lock_guard lock(mutex_);
  if (auto done = load(); !done) return done;
  const auto kept = [&](const EpochId& epoch) { return keys_.contains(epoch); };
  const auto unknown = std::ranges::find_if(
      epochs, [&](const EpochId& epoch) { return !kept(epoch) && !was_destroyed(epoch); });
  std::optional<Error> failure;
  if (unknown != epochs.end())
    failure =
        Error(Code::altered, "the sealing key of " + label_of(*unknown) + " is not in \"" + file_.string() +
                                 "\", which does not say that it was destroyed: copies may open still. "
                                 "Put back the newest copy of that file");
  if (std::ranges::any_of(epochs, kept)) {
    auto switched = switch_root([&] {
      for (const EpochId& epoch : epochs) {
        if (keys_.erase(epoch) == 0) continue;
        std::uint32_t& mark = marks_.try_emplace(epoch.key_id, epoch.epoch).first->second;
        mark = std::max(mark, epoch.epoch);
      }
    });
    if (!switched) return switched;
  }
  if (auto destroyed = destroy_doomed(); !destroyed) return destroyed;
  return failure ? Status(*std::move(failure)) : Done{};
}

bool EpochKeys::was_destroyed(const EpochId& epoch) const {
  const auto mark = marks_.find(epoch.key_id);
  return mark != marks_.end() && epoch.epoch <= mark->second && !keys_.contains(epoch);
}

Status EpochKeys::switch_root(const std::function<void()>& change) {
  auto next = make_root();
  if (!next) return std::move(next).error();
  change();
  std::vector<RootId> doomed = doomed_;
  std::erase(doomed, next->id);
  doomed.push_back(root_->id);
  if (auto written = write(*next, doomed); !written) {
    loaded_ = false;
    return written;
  }
  root_.emplace(*std::move(next));
  doomed_ = std::move(doomed);
  fault_point("epochs: under the new root");
  return Done{};
}

// Reads everything again from the disk after an error, so that a key that exists nowhere else is not lost.
Status EpochKeys::load() {
  if (loaded_) return Done{};
  root_.reset();
  doomed_.clear();
  marks_.clear();
  keys_.clear();
  const auto content = read_secret_file(file_, kMaxTable);
  if (!content && content.error().code() == Code::not_found && must_exist_)
    return Error(Code::altered,
                 "\"" + file_.string() +
                     "\" is missing: it opens what this agent's shares are sealed with, and only with it can "
                     "they be erased. Put that file back, or restore the newest backup");
  if (!content && content.error().code() != Code::not_found) return content.error();
  if (content)
    if (auto read = read_table(*content); !read) {
      root_.reset();
      marks_.clear();
      keys_.clear();
      return std::move(read).error().in("\"" + file_.string() + "\"");
    }
  must_exist_ |= bool(content);
  loaded_ = true;
  return Done{};
}

Status EpochKeys::read_table(ByteView content) {
  const Error altered(Code::altered, "not a table of epochs' keys");
  Reader reader(content);
  const bool magic = reader.literal("CPEK") && reader.u8() == kTableVersion;
  const auto id = reader.array<sizeof(RootId)>();
  const auto count = reader.u8();
  std::vector<RootId> doomed;
  for (std::uint8_t i = 0; count && i < *count; ++i) {
    const auto root = reader.array<sizeof(RootId)>();
    if (!root) return altered;
    doomed.push_back(*root);
  }
  const auto sealed = reader.lp();
  const auto nonce = reader.array<protocol::kAeadNonceSize>();
  if (!magic || !id || !count || *count > kMaxDoomed || !sealed || !nonce ||
      reader.size() < protocol::kAeadTagSize)
    return altered;
  auto key = token_.unseal(*sealed);
  if (!key) return std::move(key).error();
  const auto table = protocol::aead_open(key->reveal(), *nonce, content.first(content.size() - reader.size()),
                                         reader.rest());
  if (!table) return altered;
  Reader entries(table->reveal());
  const auto marks = entries.u32();
  for (std::uint32_t i = 0; marks && i < *marks; ++i) {
    const auto key_id = entries.array<32>();
    const auto epoch = entries.u32();
    if (!key_id || !epoch) return altered;
    marks_.insert_or_assign(*key_id, *epoch);
  }
  if (!marks || entries.size() % kEntrySize != 0) return altered;
  while (!entries.empty()) {
    const auto key_id = entries.array<32>();
    const auto epoch = entries.u32();
    const auto bytes = entries.bytes(kEpochKeySize);
    if (!key_id || !epoch || !bytes) return altered;
    keys_.insert_or_assign({*key_id, *epoch}, Secret::copy_of(*bytes));
  }
  root_.emplace(Root{*id, Bytes(sealed->begin(), sealed->end()), *std::move(key)});
  doomed_ = std::move(doomed);
  return Done{};
}

Status EpochKeys::write(const Root& root, const std::vector<RootId>& doomed) {
  Writer marks;
  marks.u32(static_cast<std::uint32_t>(marks_.size()));
  for (const auto& [key_id, epoch] : marks_) marks.bytes(key_id).u32(epoch);
  Secret table(marks.view().size() + keys_.size() * kEntrySize);
  auto place = std::ranges::copy(marks.view(), table.fill().begin()).out;
  for (const auto& [epoch, key] : keys_) {
    Writer id;
    id.bytes(epoch.key_id).u32(epoch.epoch);
    place = std::ranges::copy(id.view(), place).out;
    place = std::ranges::copy(key.reveal(), place).out;
  }
  ByteArray<protocol::kAeadNonceSize> nonce;
  system_random().fill(nonce);
  Writer writer;
  writer.literal("CPEK").u8(kTableVersion).bytes(root.id).u8(static_cast<std::uint8_t>(doomed.size()));
  for (const RootId& id : doomed) writer.bytes(id);
  writer.lp(root.sealed).bytes(nonce);
  const Bytes ciphertext = protocol::aead_seal(root.key.reveal(), nonce, writer.view(), table.reveal());
  writer.bytes(ciphertext);
  auto written = replace_file(file_, writer.view());
  must_exist_ |= bool(written);
  return written;
}

// There is no file yet that could list the new root. A crash at this moment, the first in the agent's life,
// leaves an unused root in the token.
Status EpochKeys::make_first_root() {
  if (root_) return Done{};
  const RootId id = fresh_root_id();
  auto made = token_.make_root(id);
  if (!made) return std::move(made).error();
  root_.emplace(Root{id, std::move(made->sealed), std::move(made->key)});
  return Done{};
}

Result<EpochKeys::Root> EpochKeys::make_root() {
  constexpr int kTries = 4;  // another program's NV index may occupy the place
  for (int tries = 1;; ++tries) {
    if (doomed_.size() >= kMaxDoomed)
      if (auto destroyed = destroy_doomed(); !destroyed) return std::move(destroyed).error();
    const RootId id = fresh_root_id();
    doomed_.push_back(id);
    if (auto written = write(*root_, doomed_); !written) {
      loaded_ = false;
      return std::move(written).error();
    }
    fault_point("epochs: the new root is announced");
    auto made = token_.make_root(id);
    fault_point("epochs: the new root is made");
    if (made) return Root{id, std::move(made->sealed), std::move(made->key)};
    if (made.error().code() != Code::conflict || tries == kTries) return std::move(made).error();
  }
}

Status EpochKeys::destroy_doomed() {
  if (doomed_.empty()) return Done{};
  for (const RootId& id : doomed_) {
    if (auto destroyed = token_.destroy_root(id); !destroyed) return destroyed;
    fault_point("epochs: a root is destroyed");
  }
  if (auto written = write(*root_, {}); !written) {
    loaded_ = false;
    return written;
  }
  doomed_.clear();
  return Done{};
}

}  // namespace coprotect::hsm
