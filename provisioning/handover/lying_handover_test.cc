// What happens to the company's folder, and to the other agents, when an agent lies or fails.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "client/test_agents.h"
#include "protocol/recovery/test_blob.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/handover/oversight.h"
#include "provisioning/handover/reshare.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;
using protocol::HandoverStatus;
using protocol::HandoverStep;

class LyingHandover : public testing::Test {
 protected:
  LyingHandover() {
    const Bundle& bundle = agents_.newest();
    must(make_private_directory(folder_));
    must(write_client_files(folder_ / "admin", {.name = "root",
                                                .tenant = bundle.tenant(),
                                                .key_id = bundle.key_id(),
                                                .certificate = admin_.certificate,
                                                .key = admin_.key}));
    must(write_client_bundle(folder_ / "admin", bundle.tenant(), bundle.encoded()));
    must(write_durable(folder_ / "acme.bundle", bundle.encoded(), kPublicMode));
    for (const char* const name : {"cloud", "company"})
      agents_.agent(name).handover = [this, name](const protocol::HandoverBody& body) {
        return answer(name, body);
      };
  }
  Result<Bytes> answer(const std::string& name, const protocol::HandoverBody& body) {
    if (body.step == HandoverStep::status) return status_.encode();
    asked_.push_back(name + " " + std::string(step_name(body.step)));
    if (name == fails_) return Error(Code::internal, "no disk");
    return Bytes{};
  }
  // Both agents are in this epoch, and all acknowledged it.
  void all_in(const Bundle& bundle) {
    for (const char* const name : {"cloud", "company"}) agents_.agent(name).serves = {0, bundle.epoch()};
    status_.epoch = bundle.epoch();
    status_.bundle = bundle.encoded();
    status_.acknowledgements = agents_.acknowledgements(bundle);
  }
  protocol::RecoveryKit kit_of(const Bundle& bundle) const {
    auto blob = must(protocol::RecoveryBlob::seal_with(
        protocol::kQuickCost, {1}, {2}, Secret::copy_of(bytes_of("the input")), bundle.key_id(),
        protocol::SuiteId::p256, agents_.recovery_key()));
    const client::Credentials rescuer = agents_.credentials("coprotect:acme:recovery:recovery");
    return protocol::RecoveryKit::seal(bundle.encoded(), blob.first, rescuer.certificate.der(), rescuer.key,
                                       nullptr, blob.second, system_random());
  }
  KeyFolder open() const { return must(KeyFolder::open(folder_, "")); }
  bool exists(const std::string& name) const { return fs::exists(folder_ / name); }
  std::string settle(KeyFolder& folder) {
    testing::internal::CaptureStderr();
    const auto holders = settled_holders(folder, {}, person_, system_random());
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(holders) << holders.error().message();
    return said;
  }

  client::test::TestAgents agents_{protocol::SuiteId::p256};
  const client::Credentials admin_ = agents_.credentials("coprotect:acme:admin:root");
  const harness::Scratch scratch_;
  const fs::path folder_ = scratch_ / "company";
  const Operator person_{Operator::Descriptors{}};
  HandoverStatus status_{.epoch = 0,
                         .decided = 0,
                         .unacknowledged = false,
                         .bundle = agents_.newest().encoded(),
                         .acknowledgements = {},
                         .prepared = std::nullopt,
                         .announced = {}};
  std::string fails_;
  std::vector<std::string> asked_;
};

// Another tool's handover replaced the one that made the code, so its kit opens nothing.
TEST_F(LyingHandover, ACodeThatTheKeyWentOnWithoutIsPutAside) {
  KeyFolder folder = open();
  must(folder.commit(kit_of(agents_.fork()), "the sheet"));
  agents_.hand_over(agents_.first_layout(), false, 1);
  all_in(agents_.newest());
  EXPECT_NE(settle(folder).find("is void"), std::string::npos);
  EXPECT_FALSE(must(folder.committed()));
  EXPECT_TRUE(exists("taken-back-1/acme.kit"));
  EXPECT_TRUE(exists("taken-back-1/recovery-sheet.txt"));
  EXPECT_EQ(settle(folder), "");
}

TEST_F(LyingHandover, ACodeThatTheKeyWentOnFromStays) {
  KeyFolder folder = open();
  must(folder.commit(kit_of(agents_.hand_over(agents_.first_layout(), true).bundle), "the sheet"));
  agents_.hand_over(agents_.first_layout());
  all_in(agents_.newest());
  EXPECT_EQ(settle(folder), "");
  EXPECT_TRUE(must(folder.committed()));
  EXPECT_FALSE(exists("taken-back-1"));
}

// A recovery administrator with that name for another key stays.
TEST_F(LyingHandover, ANewCodeReplacesOneRecoveryAdministratorByItsKey) {
  KeyFolder folder = open();
  const auto administrator = [](const Bundle& bundle) {
    return protocol::key_hash_of(*bundle.parameters().recovery_administrator());
  };
  const Digest first = administrator(agents_.newest());
  const Bundle renewed = agents_.hand_over(agents_.first_layout(), true).bundle;
  ASSERT_NE(administrator(renewed), first);
  EXPECT_EQ(must(folder.replaced_administrators(renewed)), std::vector<Digest>{first});
  const auto void_kit = kit_of(agents_.fork());
  must(folder.commit(void_kit, "the sheet"));
  must(folder.set_aside());
  const Digest set_aside = must(protocol::Certificate::parse_der(void_kit.certificate())).key_hash();
  EXPECT_EQ(must(folder.replaced_administrators(renewed)), (std::vector<Digest>{first, set_aside}));
}

TEST_F(LyingHandover, TheFolderKeepsWhatAllAcknowledged) {
  KeyFolder folder = open();
  EXPECT_EQ(settle(folder), "");
  EXPECT_FALSE(exists("acme.acknowledged"));
  agents_.hand_over(agents_.first_layout());
  all_in(agents_.newest());
  EXPECT_EQ(settle(folder), "");
  const auto kept = must(open().acknowledgements());
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->version, agents_.newest().newest());
  EXPECT_TRUE(protocol::check_acknowledged(agents_.newest(), kept->acknowledgements));
}

TEST_F(LyingHandover, AVetoGoesOnToAllAgents) {
  status_.announced = {{.what = protocol::Announcement::of(agents_.newest().parameters()),
                        .announcer = {},
                        .client = "coprotect:acme:recovery:recovery",
                        .not_before_ms = now_ms() + 60'000,
                        .running_left_ms = 60'000,
                        .vetoed = false}};
  for (const char* const name : {"cloud", "company"}) {
    asked_.clear();
    fails_ = name;
    const auto vetoed = veto({.directory = folder_, .key = {}}, "", system_random());
    ASSERT_FALSE(vetoed);
    EXPECT_EQ(vetoed.error().code(), Code::internal);
    EXPECT_NE(vetoed.error().message().find("no disk"), std::string::npos) << vetoed.error().message();
    EXPECT_EQ(asked_, (std::vector<std::string>{"cloud veto", "company veto"}));
  }
  // An agent that does not even report what is announced may carry it out.
  fails_.clear();
  agents_.stop("cloud");
  asked_.clear();
  EXPECT_EQ(veto({.directory = folder_, .key = {}}, "", system_random()).error().code(), Code::unavailable);
  EXPECT_EQ(asked_, std::vector<std::string>{"company veto"});
}

// It would prevent its own replacement: it says that it has decided a far epoch, or answers its status and
// never consents.
TEST_F(LyingHandover, WhoLeavesDoesNotDealIfTheKitIsGiven) {
  agents_.agent("cloud").handover = [&](const protocol::HandoverBody&) -> Result<Bytes> {
    return status_.encode();
  };
  must(write_durable(folder_ / "safe.kit", kit_of(agents_.newest()).encode(), kPrivateMode));
  ReshareOptions options;
  options.directory = folder_;
  options.plan_only = true;
  options.leave = {"cloud"};
  const auto planned = [&] {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    EXPECT_EQ(write(ends[1], "no code\n", 8), 8);
    close(ends[1]);
    const Operator person{{.show_code = {}, .code = ends[0], .ca_passphrase = {}}};
    return reshare(options, person, now_ms(), system_random());
  };
  EXPECT_TRUE(planned()) << "with the agent's own share";
  options.kit = folder_ / "safe.kit";
  const auto by_code = planned();
  ASSERT_FALSE(by_code);
  EXPECT_EQ(by_code.error().code(), Code::wrong_code) << by_code.error().message();
}

}  // namespace
}  // namespace coprotect::provisioning
