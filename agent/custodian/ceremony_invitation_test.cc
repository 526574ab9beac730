#include <gtest/gtest.h>

#include "agent/custodian/testing/test_ceremony.h"

// What an invitation to a key generation allows, to whom, and for how long.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::CeremonyState;
using protocol::ControlKind;
using protocol::SuiteId;
using testing::control;
using testing::HeldInvitation;
using testing::kHourMs;

class CeremonyInvitation : public testing::TestCeremony {};
INSTANTIATE_TEST_SUITE_P(Suites, CeremonyInvitation, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(CeremonyInvitation, AMessageNeedsItsInvitation) {
  const HeldInvitation other = pair.cloud.invite(kHourMs);
  const HeldInvitation& own = pair.tool.invitation(0);
  const Bytes question = control(own, ControlKind::status, {});
  const auto ask = [&](ByteView peer, Bytes body) {
    return code_of(pair.cloud.call(Route::status, "", peer, std::move(body)));
  };
  EXPECT_EQ(ask(own.certificate, question), "ok");
  EXPECT_EQ(ask(other.certificate, question), "unauthenticated");
  EXPECT_EQ(ask({}, question), "unauthenticated");
  EXPECT_EQ(ask(pair.tool.invitation(1).certificate, question), "unauthenticated");  // of the company's agent
  EXPECT_EQ(ask(pair.alice.certificate.der(), question), "unauthenticated");
  Bytes forged = question;
  forged.back() ^= 1;
  EXPECT_EQ(ask(own.certificate, forged), "unauthenticated");

  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  const std::string sid = to_hex(pair.tool.sid());
  const Bytes foreign_abort = control(other, ControlKind::abort, pair.tool.sid());
  EXPECT_EQ(code_of(pair.cloud.call(Route::abort, sid, other.certificate, foreign_abort)),
            "ok");  // of nothing
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::prepared);
  EXPECT_EQ(code_of(pair.cloud.call(Route::store_blob, sid, other.certificate, {})), "not-found");
}

// Another user's file, for example: the invitation is this agent's, whatever keeps the agent from reading it.
TEST_P(CeremonyInvitation, OneThatCannotBeReadIsNotCalledUnknown) {
  const HeldInvitation& own = pair.tool.invitation(0);
  const auto file = pair.cloud.state() / "invitations" / to_hex(own.id);
  ASSERT_TRUE(std::filesystem::remove(file));
  std::filesystem::create_directory(file);
  const auto refused =
      pair.cloud.call(Route::status, "", own.certificate, control(own, ControlKind::status, {}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::altered);
  EXPECT_NE(refused.error().message().find("is not a regular file"), std::string::npos)
      << refused.error().message();
}

TEST_P(CeremonyInvitation, AnInvitationExpires) {
  pair.clock->now_ms += 24 * kHourMs - 1;
  pair.tool.offer();
  pair.clock->now_ms += 2;
  EXPECT_THROW(pair.tool.offer(), std::runtime_error);
}

TEST_P(CeremonyInvitation, AnInvitationForAnotherTenantMakesNoKeyOfThisOne) {
  pair.tool.use_invitation(0, pair.cloud.invite(kHourMs, "other"));
  try {
    pair.tool.offer();
    ADD_FAILURE() << "offered";
  } catch (const std::runtime_error& error) {
    const std::string why = error.what();
    EXPECT_TRUE(why.starts_with("denied: ")) << why;
    EXPECT_TRUE(why.ends_with(" is for tenant \"other\" alone")) << why;
  }
  pair.tool.use_invitation(0, pair.cloud.invite(kHourMs, "acme"));
  pair.tool.offer();
}

TEST_P(CeremonyInvitation, AnInvitationForOneTenantOpensForNoOther) {
  const auto opened_for = [&](const std::string& tenant) {
    const HeldInvitation invitation = pair.cloud.invite(kHourMs, "acme");
    protocol::OpenMessage open{.invitation = invitation.id,
                               .tenant = tenant,
                               .purpose = protocol::Purpose::envelope,
                               .suite = GetParam(),
                               .key_id = {},
                               .newest_hash = {},
                               .nonce = {},
                               .mac = {}};
    return code_of(pair.cloud.call(Route::open, "", invitation.certificate, open.encode(invitation.secret)));
  };
  EXPECT_EQ(opened_for("acme"), "ok");
  EXPECT_EQ(opened_for("umbrella"), "denied");
}

TEST_P(CeremonyInvitation, AnAlteredInvitationIsNotOpened) {
  const auto file = pair.cloud.state() / "invitations" / to_hex(pair.tool.invitation(0).id);
  Bytes content = Bytes(std::filesystem::file_size(file), 0);
  std::filesystem::resize_file(file, content.size() - 1);
  try {
    pair.tool.offer();
    ADD_FAILURE() << "it was opened";
  } catch (const std::runtime_error& refused) {
    EXPECT_TRUE(std::string_view(refused.what()).starts_with("altered: ")) << refused.what();
  }
}

}  // namespace
}  // namespace coprotect::agent::custodian
