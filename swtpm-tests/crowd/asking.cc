#include "swtpm-tests/crowd/asking.h"

#include "protocol/crypto/hash.h"
#include "protocol/file/encapsulation.h"
#include "protocol/message/chain.h"

namespace coprotect::harness::crowd {

Client load_client(const std::filesystem::path& file) {
  const auto config = client::read_config(file);
  invariant(bool{config});
  auto credentials = client::load_credentials(*config);
  invariant(bool{credentials});
  return {.config = file,
          .credentials = std::make_shared<const client::Credentials>(*std::move(credentials))};
}

protocol::Bundle load_bundle(const std::filesystem::path& file) {
  auto bundle = client::load_bundle(file, std::nullopt);
  invariant(bool{bundle});
  return *std::move(bundle);
}

Sealed seal(const protocol::Bundle& bundle) {
  auto made = protocol::encapsulate(bundle.public_key(), bundle.key_id(), system_random());
  auto header = protocol::parse_encapsulation(made.encapsulation, bundle.key_id());
  invariant(bool{header});
  const Digest hash = protocol::sha256(header->stanzas().front().ciphertext.c1.encode());
  return {.header = *std::move(header), .secret = std::move(made.secret), .c1_hash = to_hex(hash)};
}

client::LockedFile locked(const Sealed& sealed) {
  return {.header = &sealed.header, .stanza = &sealed.header.stanzas().front()};
}

Asking::Asking(const protocol::Bundle& bundle, const Client& client, const std::string& party,
               std::chrono::milliseconds deadline)
    : bundle_(bundle),
      client_(client),
      party_(*bundle.parameters().position_of(party)),
      deadline_(deadline),
      agent_(client::connect(bundle.parameters()->parties[party_], *client_.credentials, deadline)) {}

client::Asker Asking::asker() const {
  return {.certificate = &client_.credentials->certificate,
          .key = &client_.credentials->key,
          .action = protocol::Action::view,
          .reason = "crowd"};
}

Status Asking::ask(std::span<const client::LockedFile> files) {
  const auto exchange =
      client::PartialExchange::make(bundle_, party_, files, asker(), client::now_ms(), system_random());
  const auto reply = agent_.ask(exchange.path(), exchange.request());
  if (!reply) return reply.error();
  const auto answers = exchange.read(*reply);
  if (!answers) return answers.error();
  for (const auto& answer : *answers)
    if (!answer) return answer.error();
  return Done{};
}

Status Asking::send(std::span<const client::LockedFile> files) {
  const auto exchange =
      client::PartialExchange::make(bundle_, party_, files, asker(), client::now_ms(), system_random());
  const auto reply = agent_.ask(exchange.path(), exchange.request());
  if (!reply) return reply.error();
  return Done{};
}

Status Asking::send_chain(const client::LockedFile& file, std::chrono::milliseconds budget) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < bundle_.parameters()->parties.size(); ++i)
    if (bundle_.parameters()->parties[i].is_agent()) all.push_back(i);
  const auto exchange = client::PartialExchange::make(bundle_, all, std::span(&file, 1), asker(),
                                                      client::now_ms(), system_random());
  const protocol::ForwardMessage message{
      .request = exchange.request(), .visited = {}, .budget_ms = static_cast<std::uint32_t>(budget.count())};
  const auto list = agent_.ask("/v1/keys/" + to_hex(bundle_.key_id()) + "/decrypt", message.encode());
  if (!list) return list.error();
  return Done{};
}

void Asking::reconnect() {
  agent_ = client::connect(bundle_.parameters()->parties[party_], *client_.credentials, deadline_);
}

}  // namespace coprotect::harness::crowd
