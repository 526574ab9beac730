#include "provisioning/handover/opened_kit.h"

#include "client/files/small_file.h"
#include "protocol/dkg/recovery_parts.h"
#include "protocol/recovery/code.h"
#include "provisioning/durable.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::RecoveryKit;

Result<protocol::RecoveryBlob::Opened> open_blob(const protocol::RecoveryBlob& blob, const Operator& person) {
  std::optional<Error> wrong;
  for (int tries = person.code_tries(); tries > 0; --tries) {
    if (wrong) person.warn(wrong->message());
    auto typed = person.recovery_code();
    if (!typed) return std::move(typed).error();
    auto input = protocol::read_code(typed->reveal());
    auto opened =
        input ? blob.open(*input) : Result<protocol::RecoveryBlob::Opened>(std::move(input).error());
    if (opened || opened.error().code() != Code::wrong_code) return opened;
    wrong = std::move(opened).error();
  }
  return std::move(*wrong);
}

}  // namespace

Result<OpenedKit> OpenedKit::open(const fs::path& file, const Operator& person) {
  const auto encoded = client::read_small_file(file, kMaxFile);
  if (!encoded) return encoded.error();
  auto kit = RecoveryKit::parse(*encoded);
  if (!kit) return std::move(kit).error().in("\"" + file.string() + "\"");
  return open(*std::move(kit), person);
}

Result<OpenedKit> OpenedKit::open(RecoveryKit kit, const Operator& person) {
  auto opened = open_blob(kit.blob(), person);
  if (!opened) return std::move(opened).error();
  return with(std::move(kit), *std::move(opened));
}

Result<OpenedKit> OpenedKit::with(RecoveryKit kit, protocol::RecoveryBlob::Opened opened) {
  auto bundle = protocol::Bundle::parse(kit.bundle());
  if (!bundle) return std::move(bundle).error().in("recovery kit");
  auto key = kit.open_key(opened.recovery_key);
  if (!key) return std::move(key).error();
  auto certificate = protocol::Certificate::parse_der(kit.certificate());
  if (!certificate) return std::move(certificate).error().in("recovery kit");
  return OpenedKit{std::move(kit), *std::move(bundle), std::move(opened),
                   client::Credentials{.certificate = *std::move(certificate), .key = *std::move(key)}};
}

Result<RecoveryDealer> OpenedKit::share_of(const protocol::Bundle& newest, HolderAgent& agent) const {
  // The key's history, not an agent, decides which code is the newest.
  if (const auto& key = newest.parameters()->recovery_key; key && !(*key == blob.hpke.public_key()))
    return with_hint(Error(Code::wrong_code, "epoch " + std::to_string(newest.epoch()) +
                                                 " of the key has a newer recovery code than this kit"),
                     "use the newest kit and the code that was shown with it");
  // Agents give recovery parts only to the kit's administrator, regardless of who runs the handover.
  HolderAgent asked(newest, agent.party(), administrator, system_random());
  const auto kept = asked.recovery_share();
  if (!kept) return kept.error();
  const auto parts = protocol::RecoveryParts::parse(newest.group(), kept->second);
  if (!parts) return Error(parts.error()).in(agent.name() + " agent");
  auto share = parts->open(blob.hpke, newest.sharing());
  if (!share) return std::move(share).error().in(agent.name() + " agent");
  return RecoveryDealer{parts->index(), *std::move(share)};
}

Result<RecoveryDealer> OpenedKit::share_from(const protocol::Bundle& newest,
                                             std::span<const NewHolder> agents) const {
  std::optional<Error> first;
  for (const NewHolder& agent : agents) {
    auto share = share_of(newest, *agent.holder);
    if (share) return share;
    if (!first) first = std::move(share).error();
  }
  return *std::move(first);
}

Result<protocol::SigningKey> client_ca_key(const OpenedKit& kit, const std::filesystem::path& ca_kit,
                                           const Operator& person) {
  const protocol::Certificate& ca = kit.bundle.parameters()->client_ca;
  auto own = kit.kit.open_client_ca(kit.blob.recovery_key);
  if (own || own.error().code() != Code::not_found) return own;
  if (ca_kit.empty())
    return with_hint(
        std::move(own).error(),
        "--ca-kit names a kit that does, such as that of the company's first key, even if that key "
        "is destroyed; or restore that key first, and this one with --dir into its folder");
  person.progress("the code of \"" + ca_kit.string() + "\", for the client CA's key:");
  const auto other = OpenedKit::open(ca_kit, person.with_code_of_ca_kit());
  if (!other) return other.error();
  if (other->bundle.parameters()->client_ca.der() != ca.der())
    return Error(Code::conflict, "\"" + ca_kit.string() + "\" is another company's kit");
  auto key = other->kit.open_client_ca(other->blob.recovery_key);
  if (key && !(key->public_key() == ca.key()))
    return Error(Code::altered, "\"" + ca_kit.string() + "\" holds another key than the client CA's");
  return key;
}

}  // namespace coprotect::provisioning
