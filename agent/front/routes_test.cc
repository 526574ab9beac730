#include "agent/front/routes.h"

#include <gtest/gtest.h>

#include <vector>

namespace coprotect::agent::front {
namespace {

const std::string kId(64, '7');

void finds(std::string_view method, const std::string& path, ipc::Route route, std::string_view subject) {
  const Match found = match(method, path);
  EXPECT_EQ(found.kind, Match::Kind::found) << path;
  EXPECT_EQ(found.route, route) << path;
  EXPECT_EQ(found.subject, subject) << path;
}

TEST(Routes, FindsEveryEndpoint) {
  using ipc::Route;
  finds("GET", "/v1/health", Route::health, "");
  finds("GET", "/v1/keys/" + kId, Route::bundle, kId);
  finds("POST", "/v1/keys/" + kId + "/partial-decrypt", Route::partial_decrypt, kId);
  finds("POST", "/v1/keys/" + kId + "/decrypt", Route::decrypt, kId);
  finds("POST", "/v1/keys/" + kId + "/recovery-share", Route::recovery_share, kId);
  finds("POST", "/v1/keys/" + kId + "/log", Route::log, kId);
  finds("POST", "/v1/keys/" + kId + "/derive", Route::derive, kId);
  finds("POST", "/v1/keys/" + kId + "/handover", Route::handover, kId);
  finds("POST", "/v1/ceremonies/" + kId + "/join", Route::join, kId);
  finds("POST", "/v1/keys/" + kId + "/drill-report", Route::drill_report, kId);
  finds("POST", "/v1/peers/state", Route::peer_state, "");
  finds("POST", "/v1/ceremonies", Route::open, "");
  finds("POST", "/v1/ceremonies/status", Route::status, "");
  finds("POST", "/v1/ceremonies/" + kId + "/parameters", Route::parameters, kId);
  finds("POST", "/v1/ceremonies/" + kId + "/reveal", Route::reveal, kId);
  finds("POST", "/v1/ceremonies/" + kId + "/deal", Route::deal, kId);
  finds("POST", "/v1/ceremonies/" + kId + "/prepare", Route::prepare, kId);
  finds("POST", "/v1/ceremonies/" + kId + "/store-blob", Route::store_blob, kId);
  finds("POST", "/v1/ceremonies/" + kId + "/activate", Route::activate, kId);
  finds("POST", "/v1/ceremonies/" + kId + "/abort", Route::abort, kId);
  finds("GET", "/v1/tenants/acme/clients", Route::client_list_get, "acme");
  finds("PUT", "/v1/tenants/acme/clients", Route::client_list_put, "acme");
  finds("GET", "/v1/tenants/acme/keys", Route::key_list_get, "acme");
  finds("PUT", "/v1/tenants/acme/keys", Route::key_list_put, "acme");
}

TEST(Routes, KnowsNoOtherPath) {
  const std::vector<std::string> paths = {"",
                                          "/",
                                          "/v1",
                                          "/v1/health/",
                                          "//v1/health",
                                          "/v1/keys/",
                                          "/v1/keys/" + kId.substr(1),
                                          "/v1/keys/" + kId + "/",
                                          "/v1/keys/" + kId + "/decrypts",
                                          "/v1/keys//log",
                                          "/v1/ceremonies/" + kId,
                                          "/v1/ceremonies/" + kId + "/log",
                                          "/v1/ceremonies/status/reveal",
                                          "/v1/tenants//clients",
                                          "/v1/tenants/Acme/clients",
                                          "/v1/tenants/../clients",
                                          "/v1/tenants/a%20b/clients",
                                          "/v1/tenants/acme/clients/../clients",
                                          "/v1/keys/" + std::string(64, 'A')};
  for (const std::string& path : paths) EXPECT_EQ(match("GET", path).kind, Match::Kind::no_such_path) << path;
}

TEST(Routes, NamesTheMethodsOfAPath) {
  const Match health = match("POST", "/v1/health");
  EXPECT_EQ(health.kind, Match::Kind::wrong_method);
  EXPECT_EQ(health.allow, "GET");
  EXPECT_EQ(match("get", "/v1/health").kind, Match::Kind::wrong_method);
  EXPECT_EQ(match("GET", "/v1/ceremonies").allow, "POST");
  EXPECT_EQ(match("DELETE", "/v1/tenants/acme/clients").allow, "GET, PUT");
}

}  // namespace
}  // namespace coprotect::agent::front
