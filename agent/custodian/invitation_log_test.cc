#include <gtest/gtest.h>

#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

// What the certificate of an invitation can write into the log, which all tenants of an agent share and which
// is never pruned.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::ControlKind;
using protocol::SuiteId;

class InvitationLog : public ::testing::Test {
 protected:
  InvitationLog() {
    pair.onboard();
    second.offer();
    second.exchange();
  }

  std::vector<protocol::LogEntry> log() { return testing::read_log(pair.cloud, pair.bundle(), pair.admin); }
  // How many entries are new, but for those of the readings themselves.
  std::size_t written(const std::function<void()>& by) {
    const std::size_t before = log().size();
    by();
    return log().size() - before - 2;
  }
  static std::string code_of(const Result<Bytes>& answer) {
    return answer ? "ok" : std::string(code_name(answer.error().code()));
  }
  static Bytes forged(Bytes message) {
    message.back() ^= 1;
    return message;
  }

  static constexpr int kFlood = 100;
  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  testing::Pair pair{scratch.path(), testing::token_at(token.uri()), SuiteId::p256};
  testing::Tool second{{&pair.cloud, &pair.company}, pair.acme, SuiteId::p256};
};

TEST_F(InvitationLog, HasNothingOfAMessageWithoutTheInvitationsMac) {
  for (testing::Tool* const tool : {&pair.tool, &second}) {
    const auto& invitation = tool->invitation(0);
    EXPECT_EQ(written([&] {
                for (int i = 0; i < kFlood; ++i) {
                  EXPECT_EQ(code_of(tool->post(0, Route::status,
                                               forged(control(invitation, ControlKind::status, {})))),
                            "unauthenticated");
                  EXPECT_EQ(code_of(tool->post(0, Route::status, {1})), "malformed");
                  EXPECT_FALSE(tool->post(0, Route::abort,
                                          forged(control(invitation, ControlKind::abort, tool->sid()))));
                }
              }),
              0u);
  }
}

// An `open` with the invitation's MAC that is refused begins no ceremony: its entry is in the log of the
// tenant that the invitation is for, or of the one that it names.
TEST_F(InvitationLog, HasARefusedOpen) {
  const auto open_message = [](const testing::HeldInvitation& invitation, const std::string& tenant) {
    return protocol::OpenMessage{.invitation = invitation.id,
                                 .tenant = tenant,
                                 .purpose = protocol::Purpose::envelope,
                                 .suite = SuiteId::p256,
                                 .key_id = {},
                                 .newest_hash = {},
                                 .nonce = {},
                                 .mac = {}}
        .encode(invitation.secret);
  };
  const auto post = [&](const testing::HeldInvitation& invitation, const Bytes& message) {
    return pair.cloud.call(Route::open, "", invitation.certificate, message);
  };
  const auto expect_entry = [&](const testing::HeldInvitation& invitation, const std::string& tenant,
                                const std::string& outcome, const std::string& why) {
    const Bytes message = open_message(invitation, tenant);
    EXPECT_EQ(code_of(post(invitation, message)), outcome);
    const auto entries = log();
    const auto& refused = entries.at(entries.size() - 2);  // before the intent to read the log
    EXPECT_EQ(refused.kind, protocol::EntryKind::ceremony);
    EXPECT_EQ(refused.outcome, outcome);
    EXPECT_EQ(refused.tenant, "acme");
    EXPECT_EQ(refused.client, "coprotect:invitation:" + to_hex(invitation.id));
    EXPECT_EQ(refused.request_hash, protocol::sha256(message));
    EXPECT_TRUE(refused.detail.starts_with("open: ")) << refused.detail;
    EXPECT_TRUE(refused.detail.ends_with(why)) << refused.detail;
  };
  const auto bound = pair.cloud.invite(testing::kHourMs, "acme");
  expect_entry(bound, "other", "denied", "is for tenant \"acme\" alone");
  EXPECT_EQ(written([&] { EXPECT_FALSE(post(bound, forged(open_message(bound, "acme")))); }), 0u);
  const auto of_other = pair.cloud.invite(testing::kHourMs, "other");
  // It stands in the other tenant's log, of which this one sees that there is an entry more.
  const auto before = log().back().seq;
  EXPECT_FALSE(post(of_other, open_message(of_other, "acme")));
  EXPECT_EQ(log().back().seq, before + 3);
  for (int running = 1; running < 16; ++running) {
    const auto invitation = pair.cloud.invite(testing::kHourMs);
    EXPECT_EQ(code_of(post(invitation, open_message(invitation, "acme"))), "ok");
  }
  const auto late = pair.cloud.invite(testing::kHourMs);
  expect_entry(late, "acme", "limited", "too many ceremonies run at once");
  pair.clock->now_ms += 2 * testing::kHourMs;
  expect_entry(late, "acme", "denied", "has expired");
}

// What an invitation proved, and no ceremony of it runs any more.
TEST_F(InvitationLog, SaysWhichStepOfWhichCeremonyFailed) {
  const auto last = [&] {
    const auto entries = log();
    return entries.at(entries.size() - 2);
  };
  const std::string of_second = " of ceremony " + to_hex(second.sid()) + ": ";
  EXPECT_FALSE(second.post(0, Route::prepare, {1}));
  EXPECT_TRUE(last().detail.starts_with("prepare" + of_second)) << last().detail;
  pair.clock->now_ms += 16 * 60 * 1000;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(code_of(second.send_parameters(0)), "conflict");
  EXPECT_EQ(last().detail, "parameters" + of_second + "parameters without an offer");
  EXPECT_EQ(last().tenant, "acme");
}

TEST_F(InvitationLog, HasOneEntryAMinuteOfAFlood) {
  second.prepare();
  const Bytes garbage = {1};
  EXPECT_EQ(written([&] {
              for (int i = 0; i < kFlood; ++i)
                EXPECT_EQ(code_of(second.post(0, Route::store_blob, garbage)), "malformed");
            }),
            Refusals::kEach);
  const auto entries = log();
  const auto& refused = entries[entries.size() - 2 - 2];  // two readings, one of which has its result
  EXPECT_EQ(refused.kind, protocol::EntryKind::ceremony);
  EXPECT_EQ(refused.outcome, "malformed");
  EXPECT_EQ(refused.request_hash, protocol::sha256(garbage));
  pair.clock->now_ms += Refusals::kMinuteMs;
  EXPECT_EQ(written([&] { pair.cloud.custodian().sweep(); }), 1u);
  const auto after = log();
  EXPECT_EQ(after[after.size() - 4].detail, "70 more refusals within a minute: malformed 70");
}

// It may ask for the status, and for the answer to its activation once more.
TEST_F(InvitationLog, HasNothingMoreOfASpentInvitation) {
  const auto& invitation = pair.tool.invitation(0);
  const auto sid = pair.tool.sid();
  EXPECT_EQ(
      written([&] {
        for (int i = 0; i < kFlood; ++i) {
          EXPECT_EQ(code_of(pair.tool.post(0, Route::status, control(invitation, ControlKind::status, {}))),
                    "ok");
          EXPECT_EQ(code_of(pair.tool.post(0, Route::activate, pair.bundle().encoded())), "ok");
          EXPECT_EQ(code_of(pair.tool.post(0, Route::activate, {1})), "malformed");
          EXPECT_EQ(code_of(pair.tool.post(0, Route::abort, control(invitation, ControlKind::abort, sid))),
                    "conflict");
          for (const Route route : {Route::open, Route::parameters, Route::reveal, Route::deal,
                                    Route::prepare, Route::join, Route::store_blob})
            EXPECT_EQ(code_of(pair.tool.post(0, route, {1})), "conflict");
        }
      }),
      0u);
}

}  // namespace
}  // namespace coprotect::agent::custodian
