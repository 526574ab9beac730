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

constexpr std::uint8_t kTableVersion = 1;
constexpr std::size_t kEpochKeySize = 32;
constexpr std::size_t kEntrySize = sizeof(protocol::KeyId) + 4 + kEpochKeySize;
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

Status EpochKeys::recover() {
  const std::lock_guard lock(mutex_);
  if (auto done = load(); !done) return done;
  return destroy_doomed();
}

Result<Secret> EpochKeys::get_or_make(const EpochId& epoch) {
  const std::lock_guard lock(mutex_);
  if (auto done = load(); !done) return std::move(done).error();
  if (const auto found = keys_.find(epoch); found != keys_.end()) return found->second.clone();
  if (auto made = make_first_root(); !made) return std::move(made).error();
  Secret key(kEpochKeySize);
  system_random().fill(key.fill());
  keys_.emplace(epoch, key.clone());
  if (auto written = write(*root_, doomed_); !written) {
    loaded_ = false;  // the disk knows what there is
    return std::move(written).error();
  }
  return key;
}

Result<Secret> EpochKeys::get(const EpochId& epoch) {
  const std::lock_guard lock(mutex_);
  if (auto done = load(); !done) return std::move(done).error();
  const auto found = keys_.find(epoch);
  if (found == keys_.end())
    return Error(Code::altered, "the sealing key of " + label_of(epoch) + " was destroyed: \"" +
                                    file_.string() + "\" has none, and what it sealed is erased");
  return found->second.clone();
}

Status EpochKeys::destroy(std::span<const EpochId> epochs) {
  const std::lock_guard lock(mutex_);
  if (auto done = load(); !done) return done;
  if (std::ranges::any_of(epochs, [&](const EpochId& epoch) { return keys_.contains(epoch); })) {
    auto next = make_root();
    if (!next) return std::move(next).error();
    for (const EpochId& epoch : epochs) keys_.erase(epoch);
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
  }
  return destroy_doomed();
}

// A key that is held nowhere else is not lost by an error here: all is read again from the disk.
Status EpochKeys::load() {
  if (loaded_) return Done{};
  root_.reset();
  doomed_.clear();
  keys_.clear();
  const auto content = read_file(file_, kMaxTable);
  if (!content && content.error().code() != Code::not_found) return content.error();
  if (content)
    if (auto read = read_table(*content); !read) {
      root_.reset();
      keys_.clear();
      return std::move(read).error().in("\"" + file_.string() + "\"");
    }
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
  if (!table || table->size() % kEntrySize != 0) return altered;
  Reader entries(table->reveal());
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
  Secret table(keys_.size() * kEntrySize);
  auto place = table.fill().begin();
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
  return replace_file(file_, writer.view());
}

// There is no file yet in which it could be written down what is about to be made: a crash at this moment,
// the first in the agent's life, leaves a root in the token that nothing uses.
Status EpochKeys::make_first_root() {
  if (root_) return Done{};
  const RootId id = fresh_root_id();
  auto made = token_.make_root(id);
  if (!made) return std::move(made).error();
  root_.emplace(Root{id, std::move(made->sealed), std::move(made->key)});
  return Done{};
}

Result<EpochKeys::Root> EpochKeys::make_root() {
  constexpr int kTries = 4;  // another program's NV index may have the place
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
