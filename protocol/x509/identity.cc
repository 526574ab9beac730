#include <algorithm>

#include "protocol/x509/certificate.h"

namespace coprotect::protocol {
namespace {

bool all_of(std::string_view text, std::size_t max_size, bool (*allowed)(char)) {
  return !text.empty() && text.size() <= max_size && std::all_of(text.begin(), text.end(), allowed);
}

bool is_lower(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

// Removes and returns everything before the next colon.
std::string_view field(std::string_view& rest) {
  const std::size_t colon = rest.find(':');
  const std::string_view head = rest.substr(0, colon);
  rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  return head;
}

std::optional<Role> role_by_name(std::string_view name) {
  if (name == "user") return Role::user;
  if (name == "admin") return Role::admin;
  if (name == "recovery") return Role::recovery;
  return std::nullopt;
}

struct Uri {
  std::string_view tenant;
  std::string_view kind;  // a role, or "group"
};

// coprotect:<tenant>:<role or group>:<name>, and nothing else in any part.
std::optional<Uri> parse_uri(std::string_view text) {
  std::string_view rest = text;
  const bool scheme = field(rest) == "coprotect";
  const Uri uri{.tenant = field(rest), .kind = field(rest)};
  if (!scheme || !valid_tenant(uri.tenant) || !valid_subject_name(rest)) return std::nullopt;
  return uri;
}

Error refused_identity(std::string_view why) {
  return {Code::unauthenticated, "client certificate: " + std::string(why)};
}

}  // namespace

bool valid_tenant(std::string_view tenant) {
  return all_of(tenant, 64, is_lower);
}

bool valid_party_name(std::string_view name) {
  return all_of(name, 32, is_lower);
}

bool valid_subject_name(std::string_view name) {
  return all_of(name, 64, [](char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '@';
  });
}

bool is_client_uri(std::string_view text, std::string_view tenant) {
  const auto uri = parse_uri(text);
  return uri && uri->tenant == tenant && role_by_name(uri->kind);
}

Result<ClientIdentity> client_identity(const Certificate& certificate) {
  const std::vector<std::string> uris = certificate.uris();
  std::optional<ClientIdentity> identity;
  std::vector<std::string> groups;
  std::string_view tenant;
  for (const std::string& text : uris) {
    const auto uri = parse_uri(text);
    if (!uri) return refused_identity("holds a URI that is no identity of this system");
    if (!tenant.empty() && uri->tenant != tenant) return refused_identity("names more than one tenant");
    tenant = uri->tenant;
    if (uri->kind == "group") {
      groups.push_back(text);
      continue;
    }
    const auto role = role_by_name(uri->kind);
    if (!role) return refused_identity("holds an unknown role");
    if (identity) return refused_identity("names more than one identity");
    identity = ClientIdentity{.tenant = std::string(uri->tenant), .role = *role, .uri = text, .groups = {}};
  }
  if (!identity) return refused_identity("names no identity");
  identity->groups = std::move(groups);
  return std::move(*identity);
}

bool is_of_session(const ClientIdentity& identity, const Certificate& certificate) {
  constexpr std::int64_t kLongestMs = 2 * 60 * 60 * 1000;
  return identity.role == Role::admin &&
         certificate.not_after_ms() - certificate.not_before_ms() <= kLongestMs;
}

}  // namespace coprotect::protocol
