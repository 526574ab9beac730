#include "agent/front/routes.h"

#include <array>

namespace coprotect::agent::front {
namespace {

using ipc::Route;

// A path is prefix, subject and suffix; without a subject it is the prefix alone.
struct Endpoint {
  std::string_view method;
  std::string_view prefix;
  bool has_subject;
  std::string_view suffix;
  Route route;
};

constexpr std::array kEndpoints{
    Endpoint{"GET", "/v1/health", false, "", Route::health},
    Endpoint{"GET", "/v1/keys/", true, "", Route::bundle},
    Endpoint{"POST", "/v1/keys/", true, "/partial-decrypt", Route::partial_decrypt},
    Endpoint{"POST", "/v1/keys/", true, "/decrypt", Route::decrypt},
    Endpoint{"POST", "/v1/keys/", true, "/recovery-share", Route::recovery_share},
    Endpoint{"POST", "/v1/keys/", true, "/log", Route::log},
    Endpoint{"POST", "/v1/keys/", true, "/derive", Route::derive},
    Endpoint{"POST", "/v1/keys/", true, "/handover", Route::handover},
    Endpoint{"POST", "/v1/keys/", true, "/drill-report", Route::drill_report},
    Endpoint{"POST", "/v1/peers/state", false, "", Route::peer_state},
    Endpoint{"POST", "/v1/ceremonies", false, "", Route::open},
    Endpoint{"POST", "/v1/ceremonies/status", false, "", Route::status},
    Endpoint{"POST", "/v1/ceremonies/", true, "/parameters", Route::parameters},
    Endpoint{"POST", "/v1/ceremonies/", true, "/join", Route::join},
    Endpoint{"POST", "/v1/ceremonies/", true, "/reveal", Route::reveal},
    Endpoint{"POST", "/v1/ceremonies/", true, "/deal", Route::deal},
    Endpoint{"POST", "/v1/ceremonies/", true, "/prepare", Route::prepare},
    Endpoint{"POST", "/v1/ceremonies/", true, "/store-blob", Route::store_blob},
    Endpoint{"POST", "/v1/ceremonies/", true, "/activate", Route::activate},
    Endpoint{"POST", "/v1/ceremonies/", true, "/abort", Route::abort},
    Endpoint{"GET", "/v1/tenants/", true, "/clients", Route::client_list_get},
    Endpoint{"PUT", "/v1/tenants/", true, "/clients", Route::client_list_put},
    Endpoint{"GET", "/v1/tenants/", true, "/keys", Route::key_list_get},
    Endpoint{"PUT", "/v1/tenants/", true, "/keys", Route::key_list_put},
};

// The subject of a path that matches this endpoint.
std::optional<std::string_view> subject_of(const Endpoint& endpoint, std::string_view path) {
  if (!path.starts_with(endpoint.prefix) || !path.ends_with(endpoint.suffix)) return std::nullopt;
  if (path.size() < endpoint.prefix.size() + endpoint.suffix.size()) return std::nullopt;
  path.remove_prefix(endpoint.prefix.size());
  path.remove_suffix(endpoint.suffix.size());
  if (endpoint.has_subject == path.empty() || !ipc::valid_subject(endpoint.route, path)) return std::nullopt;
  return path;
}

std::string_view both(std::string_view first, std::string_view second) {
  if (first.empty()) return second;
  return "GET, PUT";  // only the paths of a tenant's lists allow two methods
}

}  // namespace

Match match(std::string_view method, std::string_view path) {
  std::string_view allow;
  for (const Endpoint& endpoint : kEndpoints) {
    const auto subject = subject_of(endpoint, path);
    if (!subject) continue;
    if (endpoint.method == method)
      return {
          .kind = Match::Kind::found, .route = endpoint.route, .subject = std::string(*subject), .allow = {}};
    allow = both(allow, endpoint.method);
  }
  return {.kind = allow.empty() ? Match::Kind::no_such_path : Match::Kind::wrong_method,
          .route = {},
          .subject = {},
          .allow = allow};
}

bool takes_body(Route route) {
  return route != Route::health && route != Route::bundle && route != Route::client_list_get &&
         route != Route::key_list_get;
}

}  // namespace coprotect::agent::front
