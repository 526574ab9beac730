#include "client/quorum.h"

#include <thread>

#include "client/agents.h"

namespace coprotect::client {

using protocol::IndexedPartial;

Quorum::Quorum(protocol::Bundle bundle, const Credentials& credentials, protocol::Action action,
               std::string reason, std::chrono::milliseconds deadline, std::optional<LocalShare> local)
    : bundle_(std::move(bundle)),
      asker_{.certificate = &credentials.certificate,
             .key = &credentials.key,
             .action = action,
             .reason = std::move(reason)},
      local_(std::move(local)) {
  const auto& parties = bundle_.parameters()->parties;
  for (std::size_t i = 0; i < parties.size(); ++i) {
    if (!parties[i].is_agent()) continue;
    agents_.push_back({.party = i, .client = connect(parties[i], credentials, deadline)});
  }
}

std::vector<PartialAnswer> Quorum::ask(Agent& agent, std::span<const LockedFile> files) const {
  const auto exchange = PartialExchange::make(bundle_, agent.party, files, asker_, now_ms(), system_random());
  const auto reply =
      agent.client.post("/v1/keys/" + to_hex(bundle_.key_id()) + "/partial-decrypt", exchange.request());
  if (!reply) return std::vector<PartialAnswer>(files.size(), reply.error());
  auto answers = exchange.read(*reply);
  if (!answers) return std::vector<PartialAnswer>(files.size(), answers.error());
  return *std::move(answers);
}

// The share is used only on a capsule that an agent would answer for, too.
std::vector<PartialAnswer> Quorum::own_part(std::span<const LockedFile> files) const {
  std::vector<PartialAnswer> answers;
  for (const LockedFile& file : files) {
    const Digest label =
        protocol::stanza_label(file.header->core_hash(), protocol::kStanzaTdh2, file.stanza->key_id);
    const protocol::Capsule capsule = file.stanza->ciphertext.capsule();
    if (!protocol::verify(bundle_.public_key(), capsule, label)) {
      answers.emplace_back(Error(Code::altered, "header is altered: proof of the ciphertext does not hold"));
      continue;
    }
    answers.emplace_back(std::vector<IndexedPartial>{
        {.index = local_->index, .value = bundle_.group().power_secret(capsule.c1, local_->share)}});
  }
  return answers;
}

std::vector<Result<protocol::Element>> Quorum::open(std::span<const LockedFile> files) {
  std::vector<std::vector<PartialAnswer>> answers(agents_.size() + (local_ ? 1 : 0));
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < agents_.size(); ++i) {
      threads.emplace_back([this, i, files, &answers] { answers[i] = ask(agents_[i], files); });
    }
    if (local_) answers.back() = own_part(files);
  }
  std::vector<Result<protocol::Element>> opened;
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::vector<const PartialAnswer*> of_file;
    for (const auto& of_party : answers) of_file.push_back(&of_party[i]);
    opened.push_back(combine_answers(bundle_, *files[i].stanza, of_file));
  }
  return opened;
}

}  // namespace coprotect::client
