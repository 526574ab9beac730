#include "provisioning/drill_evidence.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "protocol/file/utc_time.h"
#include "protocol/message/drill_signature.h"
#include "provisioning/clock.h"

namespace coprotect::provisioning {
namespace {

using nlohmann::ordered_json;

constexpr int kVersion = 1;

Error altered(std::string_view what) {
  return {Code::altered, "the evidence " + std::string(what)};
}

std::string text_at(const nlohmann::json& object, const char* name) {
  if (!object.is_object()) return "";
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::uint16_t DrillEvidence::failed() const {
  return static_cast<std::uint16_t>(
      std::ranges::count_if(quorums, [](const Quorum& quorum) { return quorum.failure.has_value(); }));
}
std::uint16_t DrillEvidence::passed() const {
  return static_cast<std::uint16_t>(quorums.size() - failed());
}

std::string DrillEvidence::json(const protocol::Bundle& bundle) const {
  ordered_json list = ordered_json::array();
  for (const Quorum& quorum : quorums) {
    ordered_json requests = ordered_json::array();
    for (const auto& request : quorum.requests)
      requests.push_back({{"party", request.party}, {"request_hash", to_hex(request.hash)}});
    ordered_json entry = {{"parties", quorum.parties},
                          {"result", quorum.failure ? "failed" : "passed"},
                          {"requests", requests}};
    if (quorum.failure) entry["failure"] = *quorum.failure;
    list.push_back(std::move(entry));
  }
  const ordered_json evidence = {
      {"version", kVersion},
      {"kind", "drill"},
      {"time", utc_text(time_ms)},
      {"tenant", bundle.tenant()},
      {"key_id", to_hex(bundle.key_id())},
      {"epoch", bundle.epoch()},
      {"suite", protocol::suite_name(bundle.parameters()->suite)},
      {"purpose", bundle.parameters()->purpose == protocol::Purpose::derive ? "derive" : "envelope"},
      {"administrator", administrator},
      {"canary_sha256", to_hex(canary)},
      {"quorums", list},
      {"passed", passed()},
      {"failed", failed()}};
  return evidence.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<std::string> verify_evidence(ByteView evidence, ByteView encoded_signature,
                                    const std::vector<protocol::Bundle>& bundles) {
  const auto signature = protocol::DrillSignature::parse(encoded_signature);
  if (!signature) return altered("has no signature: " + signature.error().message());
  if (auto held = signature->verify(evidence); !held) return std::move(held).error();
  const auto object = nlohmann::json::parse(text_of(evidence), nullptr, false);
  if (!object.is_object() || object.value("version", nlohmann::json()) != kVersion ||
      text_at(object, "kind") != "drill")
    return altered("is not a drill's, of version 1");
  const auto time_ms = protocol::parse_utc_time(text_at(object, "time"));
  if (!time_ms) return altered("has no time");
  const std::string key_id = text_at(object, "key_id");
  const auto bundle = std::ranges::find_if(
      bundles, [&](const protocol::Bundle& one) { return to_hex(one.key_id()) == key_id; });
  if (bundle == bundles.end()) return altered("is about another key");

  // The signer was an administrator at that time. Certificates expire before evidence does.
  const std::span<const protocol::Certificate> chain(&signature->certificate, 1);
  if (auto held = protocol::verify_client_chain(chain, bundle->parameters()->client_ca, *time_ms); !held)
    return std::move(held).error().in("signer of the evidence");
  const auto identity = protocol::client_identity(signature->certificate);
  if (!identity) return identity.error();
  if (identity->role != protocol::Role::admin || identity->tenant != bundle->tenant() ||
      identity->uri != text_at(object, "administrator"))
    return Error(Code::unauthenticated, "\"" + identity->uri + "\" cannot sign this evidence");
  const auto count = [&](const char* result) {
    const auto quorums = object.value("quorums", nlohmann::json::array());
    return std::ranges::count_if(quorums, [&](const auto& one) { return text_at(one, "result") == result; });
  };
  for (const char* const result : {"passed", "failed"})
    if (object.value(result, nlohmann::json()) != count(result))
      return altered("counts other quorums than it lists");
  if (text_at(object, "tenant") != bundle->tenant()) return altered("is of another tenant");
  return "drill of key " + key_id + " at " + text_at(object, "time") + " by " + identity->uri + ": " +
         std::to_string(count("passed")) + " quorums passed, " + std::to_string(count("failed")) + " failed";
}

}  // namespace coprotect::provisioning
