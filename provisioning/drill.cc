#include "provisioning/drill.h"

#include <algorithm>
#include <iostream>

#include "client/agents.h"
#include "client/bundle_update.h"
#include "client/recovery.h"
#include "protocol/base/text.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/drill_signature.h"
#include "provisioning/canary.h"
#include "provisioning/clock.h"
#include "provisioning/credential.h"
#include "provisioning/drill_evidence.h"
#include "provisioning/durable.h"
#include "provisioning/further_keys.h"
#include "provisioning/kit_file.h"
#include "provisioning/parties_of_quorums.h"
#include "provisioning/report.h"
#include "provisioning/signed_link.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kDrillDeadline{30};
constexpr std::string_view kSignatureEnding = ".sig";

// The company's keys: the first one, then the further ones.
Result<std::vector<FurtherKey>> keys_of(const fs::path& directory) {
  const auto config = client::read_config(directory / "admin" / "config.toml");
  if (!config) return config.error();
  auto first = client::load_bundle(config->bundle, config->key_id);
  if (!first) return std::move(first).error();
  auto further = further_keys(directory);
  if (!further) return std::move(further).error();
  further->insert(further->begin(), FurtherKey{.name = "", .bundle = *std::move(first)});
  return further;
}

// The recovery share that the code opened, and the identity with which it asks agents.
struct Recovery {
  client::RecoveryShare source;
  client::Credentials administrator;  // the kit's
};

class Drill {
 public:
  Drill(const DrillOptions& options, protocol::Bundle bundle, client::Credentials admin, std::string uri,
        std::int64_t now_ms, Random& random)
      : options_(options),
        bundle_(std::move(bundle)),
        admin_(std::move(admin)),
        random_(random),
        evidence_{.time_ms = now_ms, .administrator = std::move(uri), .canary = {}, .quorums = {}} {}

  Result<Exit> run(const Operator& person);

 private:
  using Quorum = DrillEvidence::Quorum;
  const protocol::Party& party(std::size_t i) const { return bundle_.parameters()->parties[i]; }

  // Only a wrong code ends the drill. If no agent has the blob, the drill's quorums fail.
  Status open_recovery(const Operator& person);
  bool recovered(std::string_view agent = {}) const;
  Result<Recovery> recover(const client::OpenedBlob& opened) const;
  Result<protocol::RecoveryBlob> blob();
  // Reports how long the kit's certificate is valid, and writes a kit with a renewed one if requested.
  Status look_after_kit() const;
  void ask_quorum(const Canary& canary, const std::vector<std::size_t>& members);
  Result<std::vector<protocol::IndexedPartial>> recovery_part(const Canary& canary,
                                                              const std::vector<std::size_t>& members,
                                                              Quorum& quorum);
  Result<std::vector<protocol::IndexedPartial>> part_of(const Canary& canary, std::size_t member,
                                                        bool with_recovery, Quorum& quorum);
  Result<fs::path> write(const std::string& json) const;
  Status tell(const protocol::Party& party, const Digest& evidence);

  const DrillOptions& options_;
  const protocol::Bundle bundle_;
  const client::Credentials admin_;
  Random& random_;
  std::optional<protocol::RecoveryKit> kit_;
  std::optional<protocol::RecoveryKey> kit_key_;  // opens the kit's keys
  Result<Recovery> recovery_ = Error(Code::unavailable, "the recovery share was not opened");
  DrillEvidence evidence_;
};

Result<protocol::RecoveryBlob> Drill::blob() {
  const auto encoded = client::read_small_file(*options_.kit, kMaxFile);
  if (!encoded) return encoded.error();
  auto kit = protocol::RecoveryKit::parse(*encoded);
  if (!kit) return std::move(kit).error().in("\"" + options_.kit->string() + "\"");
  kit_ = *std::move(kit);
  return kit_->blob();
}

Result<Recovery> Drill::recover(const client::OpenedBlob& opened) const {
  auto administrator = client::open_kit_key(*kit_, opened.recovery_key);
  if (!administrator) return std::move(administrator).error();
  return Recovery{.source = opened.share, .administrator = *std::move(administrator)};
}

Status Drill::open_recovery(const Operator& person) {
  const auto sealed = blob();
  if (!sealed) {
    recovery_ = sealed.error();
    return Done{};
  }
  for (int tries = person.code_tries(); tries > 0; --tries) {
    const auto code = person.retyped_code();
    if (!code) return code.error();
    auto opened = client::open_blob(*sealed, bundle_, *code);
    if (!opened) {
      recovery_ = std::move(opened).error();
      if (recovery_.error().code() != Code::wrong_code) return Done{};
      if (tries > 1) person.warn(recovery_.error().message());
      continue;
    }
    recovery_ = recover(*opened);
    kit_key_ = std::move(opened->recovery_key);
    return Done{};
  }
  return recovery_.error();
}

// The certificate must be valid when it is needed. A renewed one has the same key. So no client list changes,
// and the replaced kit stays as valid as before.
Status Drill::look_after_kit() const {
  if (!kit_ || !kit_key_) return Done{};
  const auto certificate = protocol::Certificate::parse_der(kit_->certificate());
  if (!certificate) return Error(certificate.error()).in("recovery kit");
  const std::string until = "  kit: its certificate is valid until " + utc_text(certificate->not_after_ms());
  const auto ca_key = kit_->open_client_ca(*kit_key_);
  if (!ca_key && ca_key.error().code() != Code::not_found) return ca_key.error();
  if (!options_.renewed_kit) {
    std::cout << until << (ca_key ? "; --renew-kit FILE" : "; coprotect-provision new-code")
              << " renews it\n";
    return Done{};
  }
  if (!recovered())
    return Error(Code::unavailable,
                 "this kit is not renewed: it made no recovery share of the key as it is now");
  if (!ca_key)
    return Error(Code::not_found, "this kit has no client CA key; coprotect-provision new-code renews it");
  const auto key = kit_->open_key(*kit_key_);
  if (!key) return key.error();
  const auto renewed =
      renewed_recovery(*certificate, bundle_.parameters()->client_ca, *ca_key, evidence_.time_ms, random_);
  if (!renewed) return renewed.error();
  const auto kit = protocol::RecoveryKit::seal(bundle_.encoded(), kit_->blob(), renewed->der(), *key,
                                               &*ca_key, *kit_key_, random_);
  if (auto free = check_place_of_kit(*options_.renewed_kit, kit); !free) return free;
  if (auto written = write_durable(*options_.renewed_kit, kit.encode(), kPrivateMode); !written)
    return written;
  std::cout << until << "; " << options_.renewed_kit->string() << " is the same kit, valid until "
            << utc_text(renewed->not_after_ms()) << ", for the same code\n";
  return Done{};
}

// Uses what this quorum's own agents keep: in an emergency there may be no others.
Result<std::vector<protocol::IndexedPartial>> Drill::recovery_part(const Canary& canary,
                                                                   const std::vector<std::size_t>& members,
                                                                   Quorum& quorum) {
  if (!recovery_) return recovery_.error();
  Error why(Code::unavailable, "the recovery share needs an agent");
  for (const std::size_t member : members) {
    if (!party(member).is_agent()) continue;
    Digest sent{};
    const auto share =
        recovery_->source.from_agent(party(member), bundle_, recovery_->administrator, kDrillDeadline, &sent);
    quorum.requests.push_back({.party = party(member).name, .hash = sent});
    if (share) return std::vector{canary.part(share->index, share->share)};
    why = share.error();
  }
  return why;
}

Result<std::vector<protocol::IndexedPartial>> Drill::part_of(const Canary& canary, std::size_t member,
                                                             bool with_recovery, Quorum& quorum) {
  const bool rescue = with_recovery && recovery_;
  const client::Credentials& credentials = rescue ? recovery_->administrator : admin_;
  const client::Asker asker{.certificate = &credentials.certificate,
                            .key = &credentials.key,
                            .action = rescue ? protocol::Action::recover : protocol::Action::view,
                            .reason = options_.purpose};
  const auto exchange = canary.ask(member, asker, provisioning::now_ms(), random_);
  quorum.requests.push_back({.party = party(member).name, .hash = protocol::sha256(exchange.request())});
  auto agent = client::connect(party(member), credentials, kDrillDeadline);
  const auto reply = agent.ask(exchange.path(), exchange.request());
  if (!reply) return reply.error();
  auto answers = exchange.read(*reply);
  if (!answers) return std::move(answers).error();
  return std::move(answers->front());
}

void Drill::ask_quorum(const Canary& canary, const std::vector<std::size_t>& members) {
  Quorum quorum;
  std::vector<protocol::IndexedPartial> parts;
  const bool with_recovery =
      std::ranges::any_of(members, [this](std::size_t member) { return !party(member).is_agent(); });
  for (const std::size_t member : members) {
    quorum.parties.push_back(party(member).name);
    const auto part = party(member).is_agent() ? part_of(canary, member, with_recovery, quorum)
                                               : recovery_part(canary, members, quorum);
    if (part)
      parts.insert(parts.end(), part->begin(), part->end());
    else
      quorum.failure = (quorum.failure ? *quorum.failure + "; " : "") + part.error().message();
  }
  if (!quorum.failure) {
    parts.resize(std::min<std::size_t>(parts.size(), bundle_.parameters()->t), parts.front());
    if (auto held = canary.check(parts); !held) quorum.failure = held.error().message();
  }
  evidence_.quorums.push_back(std::move(quorum));
}

Result<fs::path> Drill::write(const std::string& json) const {
  if (auto made = make_private_directory(options_.out); !made) return std::move(made).error();
  const fs::path file = options_.out / ("drill-" + to_hex(bundle_.key_id()).substr(0, 8) + "-" +
                                        utc_text(evidence_.time_ms) + ".json");
  std::error_code ignored;
  if (fs::exists(file, ignored)) return Error(Code::conflict, "\"" + file.string() + "\" exists already");
  const auto signature = protocol::DrillSignature::sign(bytes_of(json), admin_.certificate, admin_.key);
  // The signature first, because evidence without one is worthless.
  auto written =
      write_durable(file.string() + std::string(kSignatureEnding), signature.encode(), kPublicMode);
  if (written) written = write_durable(file, bytes_of(json), kPublicMode);
  if (!written) return std::move(written).error();
  return file;
}

// Whether the opened code yields the key's present recovery share with the parts of some agent, or of the
// named one.
bool Drill::recovered(std::string_view agent) const {
  const auto position = bundle_.parameters().recovery_party();
  return position && std::ranges::any_of(evidence_.quorums, [&](const Quorum& quorum) {
           const bool with_it =
               agent.empty() || std::ranges::find(quorum.parties, agent) != quorum.parties.end();
           return !quorum.failure && with_it &&
                  std::ranges::find(quorum.parties, bundle_.parameters()->parties[*position].name) !=
                      quorum.parties.end();
         });
}

Status Drill::tell(const protocol::Party& party, const Digest& evidence) {
  protocol::DrillReportBody report{.time_ms = evidence_.time_ms,
                                   .evidence = evidence,
                                   .passed = evidence_.passed(),
                                   .failed = evidence_.failed()};
  if (recovery_ && recovered(party.name)) {
    const auto proof =
        protocol::prove_code_opened(bundle_.sharing().sid, report, recovery_->source.recovery_key());
    report.proof.assign(proof.begin(), proof.end());
  }
  const auto told =
      SignedLink(bundle_, party, admin_, kDrillDeadline).ask("drill-report", report, "drill", random_);
  if (!told) return told.error();
  return Done{};
}

Result<Exit> Drill::run(const Operator& person) {
  if (auto opened = open_recovery(person); !opened) return std::move(opened).error();
  const auto canary = Canary::make(bundle_, random_);
  if (!canary) return canary.error();
  evidence_.canary = canary->digest();
  for (const auto& members : quorums_of(bundle_.parameters())) {
    ask_quorum(*canary, members);
    const Quorum& quorum = evidence_.quorums.back();
    std::string names;
    for (const std::string& name : quorum.parties) names += (names.empty() ? "" : " + ") + name;
    std::cout << "  " << names << ": "
              << (quorum.failure ? "FAILED: " + printable(*quorum.failure) : std::string("passed")) << '\n';
  }
  const std::string json = evidence_.json(bundle_);
  const auto file = write(json);
  if (!file) return file.error();
  std::cout << "  evidence: " << file->string() << '\n';
  bool kit_renewed = true;
  if (auto done = look_after_kit(); !done) {
    person.warn("the kit is not renewed: " + done.error().message());
    kit_renewed = false;
  }

  bool told = true;
  for (const protocol::Party& one : bundle_.parameters()->parties) {
    if (!one.is_agent()) continue;
    if (auto done = tell(one, protocol::sha256(bytes_of(json))); !done) {
      person.warn("it could not be told of the drill: " + done.error().message());
      told = false;
    }
  }
  if (evidence_.failed() > 0)
    person.warn(std::to_string(evidence_.failed()) + " of " + std::to_string(evidence_.quorums.size()) +
                " quorums failed: see docs/runbooks/drill.md");
  return evidence_.failed() == 0 && told && kit_renewed ? Exit::done : Exit::some_failed;
}

}  // namespace

Result<Exit> drill(const DrillOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  if (!options.kit)
    return with_hint(Error(Code::malformed, "a drill needs the recovery kit: --kit"),
                     "agents give what the code opens to the kit's administrator alone");
  auto keys = keys_of(options.directory);
  if (!keys) return std::move(keys).error();
  const auto key = std::ranges::find_if(*keys, [&](const auto& one) { return one.name == options.key; });
  if (key == keys->end()) return Error(Code::not_found, "no key \"" + options.key + "\"");
  const auto config = client::read_config(options.directory / "admin" / "config.toml");
  if (!config) return config.error();
  auto admin = client::load_credentials(*config);
  if (!admin) return std::move(admin).error();
  const auto identity = protocol::client_identity(admin->certificate);
  if (!identity) return identity.error();
  // For the newest epoch. If no agent can be asked, the quorums will report it.
  auto history = client::ask_history(key->bundle, *admin, kDrillDeadline);
  if (!history && history.error().code() == Code::altered) return std::move(history).error();
  auto bundle = history ? std::move(history->confirmed) : std::move(key->bundle);
  return Drill(options, std::move(bundle), *std::move(admin), identity->uri, now_ms, random).run(person);
}

Status verify_drill(const fs::path& evidence, const fs::path& directory) {
  auto keys = keys_of(directory);
  if (!keys) return std::move(keys).error();
  std::vector<protocol::Bundle> bundles;
  for (auto& key : *keys) bundles.push_back(std::move(key.bundle));
  const auto content = client::read_small_file(evidence, kMaxFile);
  if (!content) return content.error();
  const auto signature = client::read_small_file(evidence.string() + std::string(kSignatureEnding), kMaxFile);
  if (!signature) return signature.error();
  const auto said = verify_evidence(*content, *signature, bundles);
  if (!said) return Error(said.error()).in("\"" + evidence.string() + "\"");
  std::cout << printable(*said) << '\n';
  return Done{};
}

}  // namespace coprotect::provisioning
