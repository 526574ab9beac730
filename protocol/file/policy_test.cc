#include "protocol/file/policy.h"

#include <gtest/gtest.h>

namespace coprotect::protocol {
namespace {

constexpr std::int64_t kNow = 1'790'000'000'000;  // 2026-09-21T14:13:20Z

const Subject kAlice{"coprotect:acme:user:alice", {"coprotect:acme:group:legal"}};
const Subject kBob{"coprotect:acme:user:bob", {"coprotect:acme:group:sales", "coprotect:acme:group:legal"}};
const Subject kCarol{"coprotect:acme:user:carol", {}};

Policy accepted(std::string_view json) {
  auto policy = Policy::parse(bytes_of(json));
  EXPECT_TRUE(policy) << json << ": " << (policy ? "" : policy.error().message());
  return *std::move(policy);
}

// The error's message, or "" if there is none.
std::string refusal(std::string_view json) {
  const auto policy = Policy::parse(bytes_of(json));
  if (policy) return "";
  EXPECT_EQ(policy.error().code(), Code::malformed) << json;
  return policy.error().message();
}

// A policy with these members besides its version.
std::string with(std::string_view members) {
  return "{\"version\":1," + std::string(members) + "}";
}

TEST(Policy, AbsentAllowsEverybody) {
  const Policy policy = accepted("");
  EXPECT_TRUE(policy.absent());
  EXPECT_TRUE(policy.check(kCarol, Action::view, kNow));
}

TEST(Policy, WithoutAllowNobodyIsAllowed) {
  const Policy policy = accepted(R"({"version":1})");
  EXPECT_FALSE(policy.absent());
  const auto answer = policy.check(kAlice, Action::view, kNow);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Code::denied);
  EXPECT_EQ(answer.error().message(), "file policy does not allow \"view\" to coprotect:acme:user:alice");
}

TEST(Policy, NamesUsersAndGroups) {
  const Policy users = accepted(with(R"("allow":{"users":["coprotect:acme:user:alice"]})"));
  EXPECT_TRUE(users.check(kAlice, Action::view, kNow));
  EXPECT_FALSE(users.check(kBob, Action::view, kNow));
  const Policy groups = accepted(with(R"("allow":{"groups":["coprotect:acme:group:legal"]})"));
  EXPECT_TRUE(groups.check(kAlice, Action::view, kNow));
  EXPECT_TRUE(groups.check(kBob, Action::view, kNow));
  EXPECT_FALSE(groups.check(kCarol, Action::view, kNow));
}

TEST(Policy, DenyWins) {
  const Policy policy = accepted(with(
      R"("allow":{"groups":["coprotect:acme:group:legal"]},"deny":{"users":["coprotect:acme:user:bob"]})"));
  EXPECT_TRUE(policy.check(kAlice, Action::view, kNow));
  const auto answer = policy.check(kBob, Action::view, kNow);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message(), "file policy denies \"view\" to coprotect:acme:user:bob");
}

TEST(Policy, ANameInAnotherRoleOrTenantIsAnother) {
  const Policy policy = accepted(with(R"("allow":{"users":["coprotect:acme:admin:alice"]})"));
  EXPECT_FALSE(policy.check(kAlice, Action::view, kNow));
  EXPECT_FALSE(policy.check({"coprotect:evil:admin:alice", {}}, Action::view, kNow));
  EXPECT_TRUE(policy.check({"coprotect:acme:admin:alice", {}}, Action::view, kNow));
}

TEST(Policy, ActionsDefaultToView) {
  const std::string allow = R"("allow":{"users":["coprotect:acme:user:alice"]})";
  const Policy view = accepted(with(allow));
  EXPECT_EQ(view.actions(), std::set{Action::view});
  EXPECT_FALSE(view.check(kAlice, Action::edit, kNow));
  const Policy both = accepted(with(allow + R"(,"actions":["edit","view"])"));
  EXPECT_TRUE(both.check(kAlice, Action::edit, kNow));
  EXPECT_FALSE(both.check(kAlice, Action::print, kNow));
  EXPECT_FALSE(accepted(with(allow + R"(,"actions":[])")).check(kAlice, Action::view, kNow));
}

TEST(Policy, DatesAreInclusive) {
  const Policy policy = accepted(with(R"("allow":{"users":["coprotect:acme:user:alice"]},
      "not_before":"2026-01-31T08:00:00Z","not_after":"2026-02-28T23:59:59Z")"));
  constexpr std::int64_t kFrom = 1'769'846'400'000;
  constexpr std::int64_t kTo = 1'772'323'199'000;
  EXPECT_FALSE(policy.check(kAlice, Action::view, kFrom - 1));
  EXPECT_TRUE(policy.check(kAlice, Action::view, kFrom));
  EXPECT_TRUE(policy.check(kAlice, Action::view, kTo));
  EXPECT_FALSE(policy.check(kAlice, Action::view, kTo + 1));
}

TEST(Policy, RecoverIsNotSubjectToIt) {
  EXPECT_TRUE(
      accepted(R"({"version":1,"not_after":"1999-12-31T23:59:59Z"})").check(kCarol, Action::recover, kNow));
}

TEST(Policy, RefusesDuplicateMembers) {
  EXPECT_EQ(refusal(R"({"version":1,"version":1})"), "policy member \"version\" appears twice");
  EXPECT_EQ(refusal(with(R"("allow":{"users":[]},"allow":{"users":[]})")),
            "policy member \"allow\" appears twice");
  EXPECT_EQ(refusal(with(R"("deny":{"users":[],"users":[]})")), "policy member \"deny.users\" appears twice");
  // The same name, written with an escape.
  EXPECT_EQ(refusal(R"({"version":1,"\u0076ersion":1})"), "policy member \"version\" appears twice");
}

TEST(Policy, AMemberOfAllowDoesNotCountForDeny) {
  accepted(with(R"("allow":{"users":[]},"deny":{"users":[]})"));
}

TEST(Policy, RefusesUnknownMembers) {
  EXPECT_EQ(refusal(with(R"("purpose":"x")")), "policy member \"purpose\" is not a member of a policy");
  EXPECT_EQ(refusal(with(R"("allow":{"user":[]})")),
            "policy member \"allow.user\" is not a member of a policy");
  EXPECT_EQ(refusal(with(R"("users":[])")), "policy member \"users\" is not a member of a policy");
  EXPECT_EQ(refusal(with(R"("Allow":{"users":[]})")), "policy member \"Allow\" is not a member of a policy");
}

TEST(Policy, RefusesOtherVersions) {
  for (const std::string_view version :
       {"0", "2", "-1", "1.0", "1e0", "\"1\"", "true", "null", "[1]", "{}", "18446744073709551617"}) {
    EXPECT_NE(refusal("{\"version\":" + std::string(version) + "}"), "") << version;
  }
  EXPECT_EQ(refusal("{}"), "policy member \"version\" is not 1");
  EXPECT_EQ(refusal(R"({"version":1.0})"), "policy member \"version\" has a floating-point number");
}

TEST(Policy, RefusesValuesOfTheWrongKind) {
  for (const std::string_view members :
       {R"("allow":[])", R"("allow":"all")", R"("allow":null)", R"("allow":{})", R"("allow":1)",
        R"("allow":{"users":"coprotect:acme:user:alice"})", R"("allow":{"users":{}})",
        R"("allow":{"users":[1]})", R"("allow":{"users":[null]})", R"("allow":{"users":[[]]})",
        R"("allow":{"users":[{}]})", R"("allow":{"users":1})", R"("actions":"view")", R"("actions":[true])",
        R"("actions":{"view":1})", R"("not_before":0)", R"("not_before":["2026-01-31T08:00:00Z"])"}) {
    EXPECT_NE(refusal(with(members)), "") << members;
  }
}

TEST(Policy, RefusesDepth) {
  EXPECT_NE(refusal(with(R"("allow":{"users":[["coprotect:acme:user:alice"]]})")), "");
  EXPECT_NE(refusal(std::string(60'000, '[')), "");
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "{\"a\":";
  EXPECT_NE(refusal(deep), "");
}

TEST(Policy, RefusesAnythingButOneObject) {
  for (const std::string_view json :
       {" ", "[]", "1", "-1", "1.5", "\"x\"", "null", "true", "{", "}", "{\"version\":1",
        R"({"version":1}{})", R"({"version":1} x)", R"({"version":1,})", "\xef\xbb\xbf{\"version\":1}",
        "/**/{\"version\":1}", "{'version':1}", "{version:1}"}) {
    EXPECT_NE(refusal(json), "") << json;
  }
  EXPECT_EQ(refusal(std::string_view("{\"version\":1}\0", 14)), "policy has a zero byte");
  accepted(" {\n\"version\" : 1 }\r\n");
}

TEST(Policy, RefusesBadUtf8) {
  for (const std::string_view bad :
       {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\\ud800"}) {
    const std::string json = with("\"not_before\":\"" + std::string(bad) + "\"");
    EXPECT_TRUE(refusal(json).starts_with("policy is not JSON in UTF-8 at byte")) << json;
  }
}

TEST(Policy, RefusesUrisOfAnotherForm) {
  for (const std::string_view uri :
       {"alice", "coprotect:acme:user", "coprotect:acme:user:", "coprotect::user:alice",
        "coprotect:acme:group:alice", "coprotect:acme:root:alice", "coprotect:Acme:user:alice",
        "coprotect:acme:user:a:b", "coprotect:acme:user:a b", "Coprotect:acme:user:alice",
        "coprotect:acme:user:alic\\u0000", "coprotect:acme:user:\xc3\xa9"}) {
    EXPECT_NE(refusal(with("\"allow\":{\"users\":[\"" + std::string(uri) + "\"]}")), "") << uri;
  }
  EXPECT_NE(refusal(with(R"("deny":{"groups":["coprotect:acme:user:alice"]})")), "");
}

TEST(Policy, RefusesOtherActionsAndTimes) {
  EXPECT_EQ(refusal(with(R"("actions":["view","recover"])")),
            "policy member \"actions\": no such action: recover");
  EXPECT_NE(refusal(with(R"("actions":["View"])")), "");
  for (const std::string_view time :
       {"2026-01-31", "2026-01-31T08:00:00", "2026-01-31T08:00:00+00:00", "2026-01-31T08:00:00.0Z",
        "2026-01-31t08:00:00Z", "2026-01-31T08:00:00z", "2026-01-31 08:00:00Z", "2026-13-01T08:00:00Z",
        "2026-02-29T08:00:00Z", "2026-00-10T08:00:00Z", "2026-01-00T08:00:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T08:60:00Z", "2016-12-31T23:59:60Z", "2026-01-31T08:00:0-Z", "+026-01-31T08:00:00Z", ""}) {
    EXPECT_NE(refusal(with("\"not_after\":\"" + std::string(time) + "\"")), "") << time;
  }
  accepted(with(R"("not_after":"2028-02-29T00:00:00Z")"));
}

TEST(Policy, KeepsToItsSizes) {
  const auto with_users = [](std::size_t count, std::size_t name_size) {
    std::string json = R"({"version":1,"allow":{"users":[)";
    for (std::size_t i = 0; i < count; ++i) {
      json += (i == 0 ? "\"" : ",\"") + ("coprotect:acme:user:" + std::string(name_size, 'a')) + "\"";
    }
    return json + "]}}";
  };
  accepted(with_users(1024, 1));
  EXPECT_EQ(refusal(with_users(1025, 1)), "policy member \"allow.users\" has more than 1024 entries");
  accepted(with_users(1, 64));
  EXPECT_NE(refusal(with_users(1, 65)), "");
  EXPECT_EQ(refusal(with_users(1, 300)), "policy member \"allow.users\" has a string over 255 bytes");
  EXPECT_EQ(refusal("{\"version\":1,\"" + std::string(256, 'a') + "\":1}"),
            "policy has a member with a name over 255 bytes");

  const std::string small = R"({"version":1})";
  accepted(std::string(65'535 - small.size(), ' ') + small);
  EXPECT_EQ(refusal(std::string(65'536 - small.size(), ' ') + small), "policy is over 65535 bytes");
}

TEST(Policy, WritesWhatItReads) {
  const auto json = Policy::write({.allow = {.users = {kAlice.uri}, .groups = {"coprotect:acme:group:sales"}},
                                   .deny = {},
                                   .actions = {Action::view, Action::print},
                                   .not_before = {},
                                   .not_after = "2026-12-31T00:00:00Z"});
  ASSERT_TRUE(json) << json.error().message();
  const Policy policy = accepted(text_of(*json));
  EXPECT_TRUE(policy.check(kAlice, Action::print, kNow));
  EXPECT_TRUE(policy.check(kBob, Action::view, kNow));
  EXPECT_FALSE(policy.check(kCarol, Action::view, kNow));
}

TEST(Policy, WritesNothingThatItWouldRefuse) {
  const auto draft = [](const std::string& user) {
    Policy::Draft d;
    d.allow.users = {user};
    return Policy::write(d);
  };
  EXPECT_FALSE(draft("alice"));
  EXPECT_FALSE(draft("coprotect:acme:user:\xff"));
  Policy::Draft backwards;
  backwards.not_before = "2026-02-01T00:00:00Z";
  backwards.not_after = "2026-01-01T00:00:00Z";
  EXPECT_FALSE(Policy::write(backwards));
}

}  // namespace
}  // namespace coprotect::protocol
