#include "provisioning/drill_evidence.h"

#include <nlohmann/json.hpp>

#include "protocol/message/drill_signature.h"
#include "provisioning/canary.h"
#include "provisioning/test_tenant.h"

namespace coprotect::provisioning {
namespace {

class Evidence : public testing::Test {
 protected:
  DrillEvidence evidence() const {
    return {.time_ms = now_ms() / 1000 * 1000,
            .administrator = "coprotect:acme:admin:root",
            .canary = {1},
            .quorums = {{.parties = {"cloud", "company"},
                         .requests = {{.party = "cloud", .hash = {2}}, {.party = "company", .hash = {3}}},
                         .failure = std::nullopt},
                        {.parties = {"cloud", "recovery"},
                         .requests = {{.party = "cloud", .hash = {4}}},
                         .failure = "cloud agent: denied"}}};
  }
  Bytes sign(const std::string& json, const protocol::Certificate& certificate) const {
    return protocol::DrillSignature::sign(bytes_of(json), certificate, key).encode();
  }
  Result<std::string> verify(const std::string& json, const Bytes& signature) const {
    return verify_evidence(bytes_of(json), signature, {tenant.bundle});
  }
  void expect_refused(const std::string& json, const protocol::Certificate& certificate, Code code,
                      const std::string& words) {
    const auto refused = verify(json, sign(json, certificate));
    ASSERT_FALSE(refused) << words;
    EXPECT_EQ(refused.error().code(), code) << refused.error().message();
    EXPECT_NE(refused.error().message().find(words), std::string::npos) << refused.error().message();
  }

  TestTenant tenant;
  protocol::SigningKey key = protocol::SigningKey::generate(system_random());
  protocol::Certificate admin = tenant.client({"coprotect:acme:admin:root"}, key.public_key());
};

TEST_F(Evidence, SaysWhichQuorumFailed) {
  const auto json = nlohmann::json::parse(evidence().json(tenant.bundle));
  EXPECT_EQ(json["key_id"], to_hex(tenant.bundle.key_id()));
  EXPECT_EQ(json["epoch"], 0);
  EXPECT_EQ(json["purpose"], "envelope");
  EXPECT_EQ(json["passed"], 1);
  EXPECT_EQ(json["failed"], 1);
  EXPECT_EQ(json["quorums"][0]["result"], "passed");
  EXPECT_EQ(json["quorums"][0]["requests"][1]["party"], "company");
  EXPECT_EQ(json["quorums"][1]["result"], "failed");
  EXPECT_EQ(json["quorums"][1]["failure"], "cloud agent: denied");
}

TEST_F(Evidence, IsVerified) {
  const std::string json = evidence().json(tenant.bundle);
  const auto said = verify(json, sign(json, admin));
  ASSERT_TRUE(said) << said.error().message();
  EXPECT_NE(said->find("1 quorums passed, 1 failed"), std::string::npos) << *said;
}

TEST_F(Evidence, IsRefusedIfAByteIsAnother) {
  const std::string json = evidence().json(tenant.bundle);
  const Bytes signature = sign(json, admin);
  for (const std::size_t at : {std::size_t{0}, json.size() / 2, json.size() - 1}) {
    std::string changed = json;
    changed[at] ^= 1;
    EXPECT_EQ(verify(changed, signature).error().code(), Code::altered);
  }
  EXPECT_FALSE(verify(json, {}));
  EXPECT_FALSE(verify(json, Bytes(signature.begin(), signature.begin() + 10)));
}

// The summary contains only what the evidence lists.
TEST_F(Evidence, SaysNothingThatItDoesNotList) {
  const auto changed = [&](const char* member, const nlohmann::json& value) {
    auto json = nlohmann::ordered_json::parse(evidence().json(tenant.bundle));
    json[member] = value;
    return json.dump();
  };
  expect_refused(changed("passed", 2), admin, Code::altered, "than it lists");
  expect_refused(changed("failed", 0), admin, Code::altered, "than it lists");
  expect_refused(changed("passed", "1"), admin, Code::altered, "than it lists");
  expect_refused(changed("quorums", {1, nullptr}), admin, Code::altered, "than it lists");
  expect_refused(changed("quorums", 7), admin, Code::altered, "than it lists");
  expect_refused(changed("tenant", "other"), admin, Code::altered, "another tenant");
}

TEST_F(Evidence, CountsFromAnAdministratorOfTheCompanyOnly) {
  const std::string json = evidence().json(tenant.bundle);
  expect_refused(json, tenant.client({"coprotect:acme:user:alice"}, key.public_key()), Code::unauthenticated,
                 "cannot sign");
  expect_refused(json, tenant.client({"coprotect:acme:admin:other"}, key.public_key()), Code::unauthenticated,
                 "cannot sign");
  const TestTenant stranger;
  expect_refused(json, stranger.client({"coprotect:acme:admin:root"}, key.public_key()),
                 Code::unauthenticated, "signer of the evidence");
  DrillEvidence later = evidence();
  later.time_ms += 10 * kDayMs;  // after the certificate expired
  expect_refused(later.json(tenant.bundle), admin, Code::unauthenticated, "expired");
}

TEST_F(Evidence, IsNothingElse) {
  expect_refused("{}", admin, Code::altered, "not a drill's");
  expect_refused("[", admin, Code::altered, "not a drill's");
  auto object = nlohmann::json::parse(evidence().json(tenant.bundle));
  object["version"] = 2;
  expect_refused(object.dump(), admin, Code::altered, "not a drill's");
  object["version"] = 1;
  object["time"] = "yesterday";
  expect_refused(object.dump(), admin, Code::altered, "no time");
  object = nlohmann::json::parse(evidence().json(tenant.bundle));
  object["key_id"] = std::string(64, '0');
  expect_refused(object.dump(), admin, Code::altered, "another key");
}

TEST_F(Evidence, OfACanaryThatOnlyTheRightPartsBringOut) {
  const auto canary = Canary::make(tenant.bundle, system_random());
  ASSERT_TRUE(canary);
  // Its own share at a wrong index, or a single share, does not recover the canary.
  const auto share = tenant.recovery_share();
  const std::vector wrong = {canary->part(3, share), canary->part(1, share)};
  EXPECT_FALSE(canary->check(wrong));
  EXPECT_FALSE(canary->check(std::vector{canary->part(3, share)}));
}

}  // namespace
}  // namespace coprotect::provisioning
