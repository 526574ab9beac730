#include "agent/status.h"

#include <sys/statvfs.h>

#include <nlohmann/json.hpp>

#include "agent/start_checks.h"
#include "agent/status_report.h"
#include "agent/text_file.h"
#include "hsm/durable_file.h"
#include "hsm/store_in_use.h"
#include "hsm/token_label.h"
#include "protocol/base/in_groups.h"
#include "protocol/base/text.h"
#include "protocol/crypto/hash.h"
#include "protocol/file/utc_time.h"

namespace coprotect::agent {
namespace {

using nlohmann::json;

constexpr std::size_t kMostReport = std::size_t{16} << 20;
constexpr int kMostDepth = 8;
// A report that is older shows an agent that hangs.
constexpr std::int64_t kOldMs = std::int64_t{4} * std::chrono::milliseconds(kStatusEvery).count();

// The report is the custodian's: what is not as expected in it is shown as missing.
const json& member(const json& object, const char* name) {
  static const json none;
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

std::string text_in(const json& object, const char* name, const char* fallback = "unknown") {
  const json& value = member(object, name);
  if (value.is_string()) return printable(value.get_ref<const std::string&>());
  if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
  return fallback;
}

// A digest as sheets and plans print it.
std::string groups_in(const json& object, const char* name, std::string_view indent) {
  const auto digest = from_hex(text_in(object, name, ""));
  return digest && !digest->empty() ? in_groups(*digest, indent) : std::string(indent) + "unknown";
}

Result<json> read_report(const std::filesystem::path& file) {
  const auto content = hsm::read_file(file, kMostReport);
  if (!content) return content.error();
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= kMostDepth; };
  json report = json::parse(content->begin(), content->end(), shallow, false);
  if (!report.is_object())
    return Error(Code::malformed, "\"" + file.string() + "\" is not an agent's report");
  return report;
}

void add_certificate(json& all, const std::string& name, const protocol::Certificate& certificate) {
  all.push_back({{"certificate", name}, {"ends", protocol::format_utc_time(certificate.not_after_ms())}});
}

json certificates_of(const Config& config, json& identity) {
  json all = json::array();
  if (const auto own = read_identity(config.folder)) {
    add_certificate(all, "identity.pem", own->certificate);
    identity = to_hex(protocol::sha256(own->certificate.key().bytes()));
  } else {
    all.push_back({{"certificate", "identity.pem"}, {"problem", own.error().message()}});
  }
  const std::string tls = config.tls.certificate.filename().string();
  const auto pem = read_text_file(config.tls.certificate);
  const auto parsed = pem ? protocol::Certificate::parse_pem(bytes_of(*pem)) : pem.error();
  if (parsed)
    add_certificate(all, tls, *parsed);
  else
    all.push_back({{"certificate", tls}, {"problem", parsed.error().message()}});
  return all;
}

json disk_of(const Config& config) {
  struct statvfs disk {};
  if (statvfs(config.state().c_str(), &disk) != 0) return nullptr;
  std::error_code failure;
  const auto store = std::filesystem::file_size(config.state() / "store.db", failure);
  return {{"free_mib", disk.f_bavail * disk.f_frsize >> 20},
          {"size_mib", disk.f_blocks * disk.f_frsize >> 20},
          {"store_mib", failure ? 0 : store >> 20}};
}

class Page {
 public:
  void line(const std::string& text) { text_ += text + '\n'; }
  // Its entries follow; nothing if there are none.
  const json& list(const std::string& title, const json& report, const char* name) {
    static const json none = json::array();
    const json& entries = member(report, name);
    const bool any = entries.is_array() && !entries.empty();
    line(title + (any ? ":" : ": none"));
    return any ? entries : none;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_holder(Page& page, const json& holder) {
  std::string indices;
  for (const json& index : member(holder, "indices"))
    if (index.is_number_unsigned()) indices += (indices.empty() ? "" : ", ") + index.dump();
  const bool self = member(holder, "self") == true;
  page.line("    holder " + text_in(holder, "party") + (self ? ", this agent" : "") + ", share " + indices +
            (member(holder, "agent") == true ? " at " + text_in(holder, "url") : ", the recovery code") +
            ", of " + text_in(holder, "organisation"));
  page.line("      fingerprint of its key\n" + groups_in(holder, "fingerprint", "        "));
  page.line("      fingerprint of its organisation\n" +
            groups_in(holder, "organisation_fingerprint", "        "));
  if (member(holder, "certificate_ends").is_string())
    page.line("      its certificate ends " + text_in(holder, "certificate_ends"));
}

void add_key(Page& page, const json& key) {
  page.line("  key of tenant " + text_in(key, "tenant") + " for " + text_in(key, "purpose") + ", epoch " +
            text_in(key, "epoch") + ", " + text_in(key, "state") + ", " + text_in(key, "suite"));
  page.line("    key_id\n" + groups_in(key, "key_id", "      "));
  page.line("    key list: " + text_in(key, "key_list", "does not name it"));
  page.line("    threshold: " + text_in(key, "threshold") + " shares");
  for (const json& holder : member(key, "holders")) add_holder(page, holder);
  if (text_in(key, "state") != "active") return;
  page.line("    last drill: " + text_in(key, "last_drill", "never"));
  page.line("    recovery parts verified: " + text_in(key, "recovery_parts_verified", "never"));
  page.line("    recovery code opened: " + text_in(key, "recovery_code_opened", "never"));
  const json& use = member(key, "last_use");
  const std::string why = text_in(use, "why", "");
  page.line("    last use of its share: " + text_in(use, "time", "none since the start") +
            (why.empty() ? "" : ", failed: " + why));
}

std::string page_of(const json& status) {
  Page page;
  const json& report = member(status, "report");
  page.line("agent " + text_in(status, "role") + " at " + text_in(status, "url") + ": " +
            (member(status, "runs") == true ? "runs" : "does not run"));
  page.line("report: " + (report.is_object()
                              ? "of " + text_in(report, "time") + ", version " + text_in(report, "version")
                              : text_in(status, "report_problem")));
  if (member(status, "report_is_old") == true) page.line("  it is old: what follows may have changed since");
  page.line("fingerprint of its key\n" + groups_in(status, "fingerprint", "  "));
  page.line(text_in(status, "token"));
  for (const json& entry : page.list("certificates", status, "certificates"))
    page.line("  " + text_in(entry, "certificate") + ": " +
              (member(entry, "problem").is_string() ? text_in(entry, "problem")
                                                    : "ends " + text_in(entry, "ends")));
  const json& disk = member(status, "disk");
  page.line("disk: " + text_in(disk, "free_mib") + " MiB of " + text_in(disk, "size_mib") +
            " MiB free, the store has " + text_in(disk, "store_mib") + " MiB");
  if (!report.is_object()) return page.text();

  const std::string files = text_in(member(report, "token"), "files", "");
  page.line(
      "token: " + text_in(member(report, "token"), "state") + (files.empty() ? "" : "; " + files) +
      ", a share was last used: " + text_in(member(report, "token"), "last_use", "not since the start"));
  for (const char* const name : {"store", "log", "recovery", "contacts", "erasure", "backup"})
    page.line(std::string(name) + ": " + text_in(report, name));
  for (const json& tenant : page.list("tenants", report, "tenants"))
    page.line("  " + text_in(tenant, "tenant") + ": " + text_in(tenant, "clients") +
              " clients, client list " + text_in(tenant, "client_list") + ", key list " +
              text_in(tenant, "key_list") + ", its client CA ends " + text_in(tenant, "client_ca_ends"));
  for (const json& key : page.list("keys", report, "keys")) add_key(page, key);
  for (const json& peer : page.list("peers", report, "peers"))
    page.line("  " + text_in(peer, "party") + " at " + text_in(peer, "url") +
              ", heard: " + text_in(peer, "heard", "not since the start"));
  for (const json& open : page.list("open invitations", report, "invitations")) {
    const std::string tenant = text_in(open, "tenant", "");
    const std::string problem = text_in(open, "problem", "");
    page.line("  " + text_in(open, "invitation") + " for " +
              (tenant.empty() ? std::string("any tenant") : "tenant " + tenant) +
              (problem.empty() ? ", ends " + text_in(open, "ends") : ", cannot be read: " + problem));
  }
  for (const json& limit : page.list("limits in use", report, "limits")) {
    if (member(limit, "use") == 0U && member(limit, "hits") == 0U) continue;
    page.line("  " + text_in(limit, "at") + " " + text_in(limit, "name") + ": " + text_in(limit, "use") +
              " of " + text_in(limit, "limit") + ", hit " + text_in(limit, "hits") + " times");
  }
  return page.text();
}

}  // namespace

AgentStatus status_of(const Config& config, std::int64_t now_ms) {
  const auto report = read_report(config.state() / kStatusFile);
  const auto reported_ms =
      report ? protocol::parse_utc_time(text_in(*report, "time", "")) : std::optional<std::int64_t>();
  const bool runs = hsm::is_in_use(config.state() / "store.db");
  json identity;
  json certificates = certificates_of(config, identity);
  const json status = {
      {"runs", runs},
      {"role", config.role},
      {"url", config.url},
      {"fingerprint", std::move(identity)},
      {"token", hsm::token_label(config.token)},
      {"certificates", std::move(certificates)},
      {"disk", disk_of(config)},
      {"report", report ? *report : json()},
      {"report_problem", report ? "" : report.error().message()},
      {"report_is_old", !reported_ms || now_ms - *reported_ms > kOldMs},
  };
  return {.runs = runs,
          .reported_ms = reported_ms,
          .text = page_of(status),
          .json = status.dump(2, ' ', true, json::error_handler_t::replace) + '\n'};
}

int exit_code_of(const AgentStatus& status, std::int64_t now_ms) {
  if (!status.runs) return kStatusStopped;
  return status.reported_ms && now_ms - *status.reported_ms <= kOldMs ? kStatusRuns : kStatusUnknown;
}

}  // namespace coprotect::agent
