#include "agent/front/problem.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace coprotect::agent::front {
namespace {

TEST(Problem, StatusesAreThoseOfTheInterface) {
  const std::pair<Code, unsigned> table[] = {
      {Code::malformed, 400},  {Code::unauthenticated, 401}, {Code::denied, 403},  {Code::not_found, 404},
      {Code::replayed, 409},   {Code::conflict, 409},        {Code::altered, 422}, {Code::bad_proof, 422},
      {Code::wrong_code, 422}, {Code::locked_out, 429},      {Code::limited, 429}, {Code::internal, 500},
      {Code::unavailable, 503}};
  for (const auto& [code, status] : table) EXPECT_EQ(http_status(code), status) << code_name(code);
}

TEST(Problem, HasTheMembersOfTheInterface) {
  const auto json =
      nlohmann::json::parse(problem_json(Error(Code::denied, "not \"you\""), 403, "0123456789abcdef"));
  EXPECT_EQ(json.size(), 6u);
  EXPECT_EQ(json["type"], "urn:coprotect:error:denied");
  EXPECT_EQ(json["status"], 403);
  EXPECT_EQ(json["detail"], "not \"you\"");
  EXPECT_EQ(json["code"], "denied");
  EXPECT_EQ(json["request_id"], "0123456789abcdef");
  EXPECT_TRUE(json["title"].is_string());
}

TEST(Problem, SurvivesAMessageThatIsNotUtf8) {
  const auto json = nlohmann::json::parse(problem_json(Error(Code::internal, "\xff\xfe\x01"), 500, ""));
  EXPECT_EQ(json["code"], "internal");
}

}  // namespace
}  // namespace coprotect::agent::front
