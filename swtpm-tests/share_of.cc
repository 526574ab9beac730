#include "swtpm-tests/share_of.h"

#include <stdexcept>

#include "agent/config.h"
#include "agent/custodian/keys.h"
#include "hsm/share_record.h"
#include "hsm/token.h"
#include "protocol/base/test_must.h"

namespace coprotect::harness {
namespace {

// The running agent keeps the store itself to itself.
std::filesystem::path copy_store(const std::filesystem::path& state, const Scratch& scratch) {
  for (const char* const name : {"store.db", "store.db-wal"})
    if (std::filesystem::exists(state / name)) std::filesystem::copy_file(state / name, scratch / name);
  return scratch / "store.db";
}

}  // namespace

AgentShare share_of(const Agent& agent) {
  const Scratch scratch;
  const auto config = must(agent::Config::load(agent.config()));
  const hsm::Token token({.uri = config.token, .helper = System::program("coprotect-token")});
  const auto keyring = must(hsm::Keyring::open(token, agent.folder() / "keyring"));
  const auto store = must(agent::custodian::Store::open(copy_store(agent.state(), scratch)));
  agent::custodian::DueEpochs due(keyring);
  agent::custodian::Keys keys(keyring, due);
  {
    auto transaction = must(store->begin());
    must(keys.load(transaction));
  }
  const auto active = keys.all_active();
  if (active.size() != 1 || active.front()->shares.size() != 1)
    throw std::runtime_error("not an agent with one share");
  const auto& [index, encoded] = *active.front()->shares.begin();
  const auto record = must(hsm::EpochRecord::parse(encoded));
  hsm::EpochKeys epochs(token.named(keyring.token_name()), agent.state() / hsm::kEpochKeysFile);
  const auto epoch_key = must(epochs.get({active.front()->key_id(), active.front()->epoch()}));
  auto share = must(hsm::unwrap_share(record, active.front()->share_id(index),
                                      must(token.unseal(record.sealed_key)), epoch_key));
  const auto& public_share = active.front()->sharing.public_share(index);
  if (!(public_share.group().generator_power_secret(share) == public_share))
    throw std::runtime_error("not the share of the bundle");
  return {.index = index, .share = std::move(share)};
}

protocol::SigningKey identity_of(const Agent& agent) {
  const auto config = must(agent::Config::load(agent.config()));
  const hsm::Token token({.uri = config.token, .helper = System::program("coprotect-token")});
  const auto keyring = must(hsm::Keyring::open(token, agent.folder() / "keyring"));
  return must(protocol::SigningKey::from_scalar(keyring.identity().scalar().reveal()));
}

protocol::Bundle bundle_of(const System& system) {
  const std::string content = read_file(system.bundle());
  return must(protocol::Bundle::parse(bytes_of(content)));
}

}  // namespace coprotect::harness
