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
  auto bundle = protocol::Bundle::parse(kit.bundle());
  if (!bundle) return std::move(bundle).error().in("recovery kit");
  auto opened = open_blob(kit.blob(), person);
  if (!opened) return std::move(opened).error();
  auto key = kit.open_key(opened->recovery_key);
  if (!key) return std::move(key).error();
  auto certificate = protocol::Certificate::parse_der(kit.certificate());
  if (!certificate) return std::move(certificate).error().in("recovery kit");
  return OpenedKit{std::move(kit), *std::move(bundle), *std::move(opened),
                   client::Credentials{.certificate = *std::move(certificate), .key = *std::move(key)}};
}

Result<RecoveryDealer> OpenedKit::share_of(const protocol::Bundle& newest, HolderAgent& agent) const {
  // Agents give recovery parts to the kit's administrator alone, whoever runs the handover.
  HolderAgent asked(newest, agent.party(), administrator, system_random());
  const auto kept = asked.recovery_share();
  if (!kept) return kept.error();
  const auto& [encoded_blob, encoded_parts] = *kept;
  if (encoded_blob != kit.blob().encoded())
    return with_hint(Error(Code::wrong_code, "the " + agent.name() +
                                                 " agent holds the recovery share under a "
                                                 "newer code than this kit's"),
                     "use the newest kit and the code that was shown with it");
  const auto parts = protocol::RecoveryParts::parse(newest.group(), encoded_parts);
  if (!parts) return Error(parts.error()).in(agent.name() + " agent");
  auto share = parts->open(blob.hpke, newest.sharing());
  if (!share) return std::move(share).error().in(agent.name() + " agent");
  return RecoveryDealer{parts->index(), *std::move(share)};
}

}  // namespace coprotect::provisioning
