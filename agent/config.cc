#include "agent/config.h"

#include <toml++/toml.h>
#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "agent/text_file.h"
#include "protocol/x509/certificate.h"

namespace coprotect::agent {
namespace {

// Reads the keys of one table. Keeps the first error and skips the checks after it.
class Section {
 public:
  Section(const toml::table* table, std::string name, std::optional<Error>& error)
      : table_(table), name_(std::move(name)), error_(error) {}

  std::string text(const std::string& key) {
    const toml::node* const node = take(key);
    const auto value = node == nullptr ? std::nullopt : node->value_exact<std::string>();
    if (!value || value->empty()) fail(key, node == nullptr ? "is missing" : "must be a text");
    return value.value_or("");
  }
  std::optional<std::string> optional_text(const std::string& key) {
    if (table_ == nullptr || !table_->contains(key)) return std::nullopt;
    return text(key);
  }
  unsigned number(const std::string& key, unsigned fallback, unsigned least, unsigned most) {
    const toml::node* const node = take(key);
    if (node == nullptr) return fallback;
    const auto value = node->value_exact<std::int64_t>();
    if (value && *value >= least && *value <= most) return static_cast<unsigned>(*value);
    fail(key, "must be a number from " + std::to_string(least) + " to " + std::to_string(most));
    return fallback;
  }
  bool flag(const std::string& key, bool fallback) {
    const toml::node* const node = take(key);
    if (node == nullptr) return fallback;
    const auto value = node->value_exact<bool>();
    if (!value) fail(key, "must be true or false");
    return value.value_or(fallback);
  }
  // Strings that `valid` accepts; `what` describes them.
  std::set<std::string> texts(const std::string& key, bool (*valid)(std::string_view), const char* what) {
    std::set<std::string> found;
    const toml::node* const node = take(key);
    if (node == nullptr) return found;
    const toml::array* const list = node->as_array();
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
      const auto text = (*list)[i].value_exact<std::string>();
      if (text && valid(*text)) found.insert(*text);
    }
    if (list == nullptr || found.size() != list->size())
      fail(key, std::string("must be a list of different ") + what);
    return found;
  }
  bool has(const std::string& key) const { return table_ != nullptr && table_->contains(key); }
  bool present() const { return table_ != nullptr; }
  Section section(const std::string& key) {
    const toml::node* const node = take(key);
    if (node != nullptr && !node->is_table()) fail(key, "must be a table");
    return {node == nullptr ? nullptr : node->as_table(), name_ + key + ".", error_};
  }
  // Call after all known keys were read.
  void refuse_others() {
    if (table_ == nullptr) return;
    for (const auto& [key, value] : *table_)
      if (!taken_.contains(std::string(key.str()))) fail(std::string(key.str()), "is not known");
  }
  void fail(const std::string& key, const std::string& why) {
    if (!error_) error_.emplace(Code::malformed, "\"" + name_ + key + "\" " + why);
  }

 private:
  const toml::node* take(const std::string& key) {
    taken_.insert(key);
    return table_ == nullptr ? nullptr : table_->get(key);
  }

  const toml::table* table_;
  std::string name_;
  std::optional<Error>& error_;
  std::set<std::string> taken_;
};

// Whether it is "coprotect:TENANT:KIND:NAME" with one of these kinds.
bool is_uri(std::string_view uri, std::initializer_list<std::string_view> kinds) {
  std::vector<std::string_view> parts;
  for (std::size_t colon = 0; colon != std::string_view::npos;) {
    colon = uri.find(':');
    parts.push_back(uri.substr(0, colon));
    uri.remove_prefix(std::min(uri.size(), colon == std::string_view::npos ? uri.size() : colon + 1));
  }
  return parts.size() == 4 && parts[0] == "coprotect" && protocol::valid_tenant(parts[1]) &&
         std::find(kinds.begin(), kinds.end(), parts[2]) != kinds.end() &&
         protocol::valid_subject_name(parts[3]);
}
bool is_user(std::string_view uri) {
  return is_uri(uri, {"user", "admin"});
}
bool is_group(std::string_view uri) {
  return is_uri(uri, {"group"});
}
bool is_reason(std::string_view text) {
  return !text.empty() && text.size() <= 255;
}

std::optional<custodian::DerivePolicy> read_derive(Section& section) {
  if (!section.present()) return std::nullopt;
  constexpr unsigned kMost = 1'000'000'000;
  custodian::DerivePolicy policy{
      .users = section.texts("users", is_user, "URIs like \"coprotect:acme:user:alice\""),
      .groups = section.texts("groups", is_group, "URIs like \"coprotect:acme:group:mail\""),
      .tenants = section.texts("tenants", protocol::valid_tenant, "tenants' names"),
      .purposes = section.texts("purposes", is_reason, "texts of 1 to 255 bytes"),
      .per_key_per_day = section.number("per_key_per_day", 100'000, 1, kMost),
      .per_client_per_day = section.number("per_client_per_day", 100'000, 1, kMost)};
  if (policy.users.empty() && policy.groups.empty() && policy.tenants.empty())
    section.fail("users", "is missing, and so are \"groups\" and \"tenants\": nobody could derive");
  return policy;
}

Config::Policy::Handover read_handover(Section& section) {
  constexpr unsigned kDay = 24 * 3600;
  Config::Policy::Handover policy{
      .delay = std::chrono::seconds(section.number("delay_seconds", kDay, 1, 90 * kDay)),
      .announced = section.flag("announced", true),
      .notify = {}};
  policy.notify = section.optional_text("notify");
  if (policy.notify && !policy.notify->is_absolute()) section.fail("notify", "must be an absolute path");
  return policy;
}

custodian::RequestCaps read_caps(Section& policy) {
  constexpr unsigned kMost = 1'000'000'000;
  return {.per_key = policy.number("requests_per_key_per_day", 100'000, 1, kMost),
          .per_client = policy.number("requests_per_client_per_day", 20'000, 1, kMost),
          .recoveries_per_key = policy.number("recoveries_per_key_per_day", 100'000, 1, kMost),
          .refreshes_per_key = policy.number("refreshes_per_key_per_day", 8, 1, kMost),
          .voids_per_client = policy.number("voids_per_client_per_day", 16, 1, kMost)};
}

std::chrono::seconds read_destroy_wait(Section& policy) {
  constexpr unsigned kMostDays = 3650;
  if (policy.has("destroy_seconds")) {
    if (policy.has("destroy_days")) policy.fail("destroy_seconds", "stands beside \"destroy_days\"");
    return std::chrono::seconds(policy.number("destroy_seconds", 0, 0, kMostDays * 86'400));
  }
  return std::chrono::days(policy.number("destroy_days", 30, 0, kMostDays));
}

Config::Limits read_limits(Section& section) {
  constexpr Config::Limits kDefault;
  constexpr unsigned kMost = 100'000;
  const auto number = [&section](const char* key, unsigned fallback, unsigned least, unsigned most) {
    return section.number(key, fallback, least, most);
  };
  return {.request_seconds = number("request_seconds", kDefault.request_seconds, 1, 3600),
          .idle_seconds = number("idle_seconds", kDefault.idle_seconds, 1, 3600),
          .connections = number("connections", kDefault.connections, 2, kMost),
          .handshake_seconds = number("handshake_seconds", kDefault.handshake_seconds, 1, 3600),
          .connections_for_strangers =
              number("connections_for_strangers", kDefault.connections_for_strangers, 1, kMost),
          .connections_per_address =
              number("connections_per_address", kDefault.connections_per_address, 1, kMost),
          .connections_for_peers = number("connections_for_peers", kDefault.connections_for_peers, 1, kMost),
          .requests = number("requests", kDefault.requests, 1, kMost),
          .requests_per_client = number("requests_per_client", kDefault.requests_per_client, 1, kMost),
          .requests_per_peer = number("requests_per_peer", kDefault.requests_per_peer, 1, kMost),
          .requests_per_tenant = number("requests_per_tenant", kDefault.requests_per_tenant, 1, kMost),
          .body_mib = number("body_mib", kDefault.body_mib, 8, kMost),  // one body of the largest size
          .body_mib_per_client = number("body_mib_per_client", kDefault.body_mib_per_client, 8, kMost),
          .body_mib_per_tenant = number("body_mib_per_tenant", kDefault.body_mib_per_tenant, 8, kMost),
          .hang_seconds = number("hang_seconds", kDefault.hang_seconds, 2, 3600)};
}

Config read(const toml::table& table, const std::filesystem::path& file, std::optional<Error>& error) {
  const std::filesystem::path folder = file.parent_path();
  Section top(&table, "", error);
  Config config{.file = file,
                .folder = folder,
                .role = top.text("role"),
                .url = top.text("url"),
                .listen = top.text("listen"),
                .token = top.text("token"),
                .hold = std::chrono::seconds(top.number("hold_seconds", 300, 0, 86'400)),
                .tls = {},
                .limits = {},
                .policy = {},
                .peers_every = {}};
  if (!protocol::valid_party_name(config.role)) top.fail("role", "must be 1 to 32 of a-z, 0-9 and -");

  Section tls = top.section("tls");
  config.tls = {.certificate = folder / tls.text("certificate"), .key = folder / tls.text("key")};
  Section limits = top.section("limits");
  config.limits = read_limits(limits);
  Section policy = top.section("policy");
  config.policy = {
      .recover = policy.flag("recover", true),
      .sole_holder = policy.flag("sole_holder", false),
      .agents_of_new_keys = static_cast<std::uint8_t>(policy.number("agents_of_new_keys", 2, 1, 16)),
      .requests = read_caps(policy),
      .destroy_wait = read_destroy_wait(policy),
      .derive = {},
      .handover = {}};
  Section derive = policy.section("derive");
  config.policy.derive = read_derive(derive);
  Section handover = policy.section("handover");
  config.policy.handover = read_handover(handover);
  Section peers = top.section("peers");
  config.peers_every = std::chrono::seconds(peers.number("every_seconds", 60, 1, 3600));
  for (Section* const section : {&top, &tls, &limits, &policy, &derive, &handover, &peers})
    section->refuse_others();
  return config;
}

}  // namespace

Result<Config> Config::load(const std::filesystem::path& file) {
  const std::string name = "\"" + file.string() + "\"";
  const auto content = read_text_file(file);
  if (!content) return content.error();
  const toml::parse_result parsed = toml::parse(*content);
  if (!parsed) {
    const auto& why = parsed.error();
    return Error(Code::malformed, name + ": line " + std::to_string(why.source().begin.line) + ": " +
                                      std::string(why.description()));
  }
  std::optional<Error> error;
  Config config = read(parsed.table(), std::filesystem::absolute(file), error);
  if (error) return std::move(*error).in(name);
  return config;
}

}  // namespace coprotect::agent
