#include "client/problem.h"

#include <gtest/gtest.h>

namespace coprotect::client {
namespace {

Error problem(std::string_view json, long status = 403) {
  return read_problem(status, bytes_of(json));
}

TEST(Problem, IsReadWithItsCodeAndRequest) {
  const Error error = problem(R"({"type":"urn:coprotect:error:denied","title":"Denied","status":403,)"
                              R"("detail":"policy says no","code":"denied","request_id":"7f3a91c2"})");
  EXPECT_EQ(error.code(), Code::denied);
  EXPECT_EQ(error.message(), "denied: policy says no (request 7f3a91c2)");
}

TEST(Problem, KnowsEveryCode) {
  for (const Code code : {Code::malformed, Code::unauthenticated, Code::denied, Code::replayed, Code::stale,
                          Code::not_found, Code::conflict, Code::altered, Code::bad_proof, Code::locked_out,
                          Code::limited, Code::unavailable, Code::internal}) {
    const std::string name(code_name(code));
    EXPECT_EQ(problem("{\"code\":\"" + name + "\"}").code(), code);
    EXPECT_EQ(problem("{\"code\":\"" + name + "\"}").message(), name);
  }
}

// Otherwise the user would be told that the recovery code is wrong.
TEST(Problem, IsNotAboutACodeThatTheUserTyped) {
  const Error error = problem(R"({"code":"wrong-code","detail":"the PIN is wrong"})", 422);
  EXPECT_EQ(error.code(), Code::locked_out);
  EXPECT_EQ(error.message(), "locked-out: the PIN is wrong");
}

TEST(Problem, IsUnexplainedIfItIsNone) {
  for (const std::string_view body : {"", "<html>", "{", "[]", "null", "\"denied\"", "{}", "{\"code\":7}",
                                      "{\"code\":\"no-such\"}", "\xff"}) {
    EXPECT_EQ(problem(body, 404).code(), Code::internal);
    EXPECT_EQ(problem(body, 502).code(), Code::unavailable);
    EXPECT_EQ(problem(body, 502).message(), "unavailable: HTTP status 502 without an explanation");
  }
  EXPECT_EQ(problem(std::string(1'000'000, '['), 400).code(), Code::internal);
}

TEST(Problem, KeepsTheTerminalClean) {
  const Error error =
      problem(R"({"code":"denied","detail":"a\u001b[2Jb\u0000c\u009bd\u00e4\n","request_id":"\u001b[31m"})");
  EXPECT_EQ(error.message(), "denied: a?[2Jb?c?d\xc3\xa4?");
  const Error endless = problem("{\"code\":\"denied\",\"detail\":\"" + std::string(60'000, 'x') + "\"}");
  EXPECT_LT(endless.message().size(), 1'100u);
}

}  // namespace
}  // namespace coprotect::client
