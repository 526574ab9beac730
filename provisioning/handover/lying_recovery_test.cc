// After a new code and a restore: agents keep, or show, recovery parts that the code does not open.

#include <gtest/gtest.h>
#include <unistd.h>

#include "client/test_agents.h"
#include "protocol/group/test_suites.h"
#include "protocol/message/client_list.h"
#include "protocol/message/drill_signature.h"
#include "protocol/recovery/code.h"
#include "protocol/recovery/test_blob.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/handover/code_opening.h"
#include "provisioning/handover/new_code.h"
#include "provisioning/handover/restore.h"
#include "provisioning/onboarding_directory.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;

class LyingRecovery : public testing::TestWithParam<protocol::SuiteId> {
 protected:
  LyingRecovery() {
    for (const char* const name : {"cloud", "company"}) {
      agents_.agent(name).handover = [this](const protocol::HandoverBody& body) -> Result<Bytes> {
        if (body.step == protocol::HandoverStep::status) return status_.encode();
        return Error(Code::internal, "nothing is to be handed over");
      };
      agents_.agent(name).key_list = Error(Code::not_found, "there is no list");
      agents_.agent(name).list =
          protocol::ClientList{.tenant = "acme",
                               .serial = 1,
                               .time_ms = 1,
                               .clients = {{admin_.certificate.key_hash(), "coprotect:acme:admin:root"}}}
              .sign(agents_.client_ca_key());
    }
    all_in(agents_.newest());
  }
  // Both agents are in this epoch, and all acknowledged it.
  void all_in(const Bundle& bundle) {
    for (const char* const name : {"cloud", "company"}) agents_.put(name, {bundle.epoch()});
    status_.epoch = bundle.epoch();
    status_.bundle = bundle.encoded();
    status_.acknowledgements =
        bundle.epoch() > 0 ? agents_.acknowledgements(bundle) : decltype(status_.acknowledgements){};
  }
  // A kit for the newest epoch, under its own code.
  protocol::RecoveryKit kit(const Secret& code) const {
    const Bundle& bundle = agents_.newest();
    const auto blob = must(protocol::RecoveryBlob::seal_with(
        protocol::kQuickCost, {1}, {2}, must(protocol::read_code(code.reveal())), bundle.key_id(), GetParam(),
        agents_.recovery_key()));
    const client::Credentials rescuer = agents_.credentials("coprotect:acme:recovery:recovery");
    return protocol::RecoveryKit::seal(bundle.encoded(), blob.first, rescuer.certificate.der(), rescuer.key,
                                       &agents_.client_ca_key(), blob.second, system_random());
  }
  // An operator who types the code, and the client CA's passphrase.
  Operator person(const Secret& code) const {
    return Operator(
        {.show_code = {}, .code = pipe_of(text_of(code.reveal())), .ca_passphrase = pipe_of("a passphrase")});
  }
  static int pipe_of(std::string_view line) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const std::string sent = std::string(line) + "\n";
    EXPECT_EQ(write(ends[1], sent.data(), sent.size()), static_cast<ssize_t>(sent.size()));
    close(ends[1]);
    return ends[0];
  }
  // The folder that onboard left, with the kit of the first code.
  void make_folder() const {
    must(make_private_directory(folder_));
    must(write_client_files(folder_ / "admin", {.name = "root",
                                                .tenant = "acme",
                                                .key_id = agents_.newest().key_id(),
                                                .certificate = admin_.certificate,
                                                .key = admin_.key}));
    must(write_client_bundle(folder_ / "admin", "acme", agents_.newest().encoded()));
    must(write_durable(folder_ / "acme.bundle", agents_.newest().encoded(), kPublicMode));
    must(write_durable(
        folder_ / "client-ca.key",
        must(seal_ca_key(agents_.client_ca_key(), agents_.newest().parameters()->client_ca,
                         Secret::copy_of(bytes_of("a passphrase")), system_random(), protocol::kQuickCost)),
        kPrivateMode));
    must(write_durable(folder_ / "acme.kit", kit(first_code_).encode(), kPrivateMode));
  }
  std::string content(const std::string& name) const {
    return std::string(text_of(must(client::read_small_file(folder_ / name, kMaxFile))));
  }
  bool exists(const std::string& name) const { return fs::exists(folder_ / name); }
  // What an agent shows that has the parts of an older epoch, or altered ones.
  Bytes other_parts() const {
    Bytes parts = agents_.epoch(agents_.newest().epoch()).parts;
    parts[parts.size() / 2] ^= 1;
    return parts;
  }
  void shows(const std::string& name, const std::optional<Bytes>& parts) {
    agents_.agent(name).parts = parts;
  }
  // How many reports it received since then, each with a proof that is valid now.
  std::size_t reported(const std::string& name) {
    const auto reports = std::exchange(agents_.agent(name).reports, {});
    for (const auto& report : reports) {
      EXPECT_EQ(report.passed, 0);
      EXPECT_EQ(report.failed, 0);
      EXPECT_TRUE(protocol::verify_code_opened(agents_.recovery_key().public_key(),
                                               agents_.newest().sharing().sid, report));
    }
    return reports.size();
  }

  client::test::TestAgents agents_{GetParam()};
  const client::Credentials admin_ = agents_.credentials("coprotect:acme:admin:root");
  const Secret first_code_ = protocol::generate_code(system_random());
  const Secret code_ = protocol::generate_code(system_random());
  const harness::Scratch scratch_;
  const fs::path folder_ = scratch_ / "company";
  protocol::HandoverStatus status_{.epoch = 0,
                                   .decided = 0,
                                   .unacknowledged = false,
                                   .bundle = {},
                                   .acknowledgements = {},
                                   .prepared = std::nullopt,
                                   .announced = {}};
};
INSTANTIATE_TEST_SUITE_P(Suites, LyingRecovery, protocol::test::tested_suites(), protocol::test::suite_label);

TEST_P(LyingRecovery, TheCodeIsTriedAtEveryAgentAndOnlyWhereItOpensIsItSaid) {
  const Bytes before = agents_.epoch(0).parts;
  all_in(agents_.hand_over(agents_.first_layout(), true).bundle);
  const auto code = must(OpenedKit::open(kit(code_), person(code_)));
  const auto see = [&] {
    return see_code_open(code, agents_.newest(), admin_, person(code_), system_random());
  };
  EXPECT_EQ(must(see()), (std::vector<std::string>{"cloud", "company"}));
  for (const char* const name : {"cloud", "company"}) EXPECT_EQ(reported(name), 1u);
  // Those of the epoch before: rolled back.
  shows("cloud", before);
  testing::internal::CaptureStderr();
  EXPECT_EQ(must(see()), std::vector<std::string>{"company"});
  EXPECT_NE(testing::internal::GetCapturedStderr().find(
                "the code was not seen to open the recovery parts of the cloud agent"),
            std::string::npos);
  EXPECT_EQ(reported("cloud"), 0u);
  EXPECT_EQ(reported("company"), 1u);
  shows("company", other_parts());
  const auto none = see();
  ASSERT_FALSE(none);
  for (const char* const name : {"cloud agent", "company agent"})
    EXPECT_NE(none.error().message().find(name), std::string::npos) << none.error().message();
  for (const char* const name : {"cloud", "company"}) EXPECT_EQ(reported(name), 0u);
}

TEST_P(LyingRecovery, ANewCodeTakesNoKitsPlaceBeforeItOpensSomething) {
  make_folder();
  const std::string first_kit = content("acme.kit");
  all_in(agents_.hand_over(agents_.first_layout(), true).bundle);
  // As after a run that found nothing to open.
  {
    auto left = must(KeyFolder::open(folder_, ""));
    must(left.commit(kit(code_), "the sheet"));
    must(left.note_unopened());
  }
  for (const char* const name : {"cloud", "company"}) shows(name, other_parts());
  const KeyOptions options{.directory = folder_, .key = {}};
  const auto run = [&](const Secret& typed) {
    return new_code(options, person(typed), now_ms(), system_random());
  };
  const auto kept = [&] {
    EXPECT_EQ(content("acme.kit"), first_kit);
    EXPECT_TRUE(exists(".handover/acme.kit"));
    for (const char* const name : {"cloud", "company"}) {
      EXPECT_EQ(agents_.agent(name).lists_put, 0) << "the old administrator left the list";
      EXPECT_EQ(reported(name), 0u);
    }
  };
  const auto refused = run(code_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("was not seen to open any agent's recovery parts"),
            std::string::npos)
      << refused.error().message();
  EXPECT_NE(refused.error().message().find("keep the kit and the code of before"), std::string::npos);
  kept();
  EXPECT_EQ(run(first_code_).error().code(), Code::wrong_code);
  kept();
  shows("company", std::nullopt);
  must(run(code_));
  EXPECT_NE(content("acme.kit"), first_kit);
  EXPECT_FALSE(exists(".handover"));
  EXPECT_EQ(reported("cloud"), 0u);
  EXPECT_EQ(reported("company"), 1u);
}

TEST_P(LyingRecovery, ARestoreLeavesNoKitBeforeItsCodeOpensSomething) {
  const auto& party = agents_.newest().parameters()->parties[1];
  const protocol::InvitationId id{1};
  const auto invited = protocol::SigningKey::generate(system_random());
  const protocol::Invitation invitation{
      .role = "company",
      .url = party.url,
      .identity_certificate = *party.identity_certificate,
      .organisation = std::nullopt,
      .id = id,
      .secret = Secret::copy_of(Bytes(16, 1)),
      .expires_ms = now_ms() + 60'000,
      .tenant = "",
      .client_certificate = protocol::test::make_certificate(
          "invitation", protocol::CertificateUse::client, invited, &*party.identity_certificate,
          agents_.identity("company"), {"coprotect:invitation:" + to_hex(id)}, now_ms()),
      .client_key = must(protocol::SigningKey::from_scalar(invited.scalar().reveal()))};
  must(write_durable(scratch_ / "invitation", invitation.encode().reveal(), kPrivateMode));
  const auto kept_kit = kit(code_);
  must(write_durable(scratch_ / "safe.kit", kept_kit.encode(), kPrivateMode));
  // As after a run that died after the commit.
  {
    auto directory = must(OnboardingDirectory::open(folder_, "acme"));
    must(directory.begin());
    const fs::path staging = directory.staging();
    must(write_durable(staging / std::string(kClientLists.file), must(agents_.agent("cloud").list),
                       kPublicMode));
    must(write_client_files(staging / "admin", {.name = "root",
                                                .tenant = "acme",
                                                .key_id = agents_.newest().key_id(),
                                                .certificate = admin_.certificate,
                                                .key = admin_.key}));
    must(write_client_bundle(staging / "admin", "acme", agents_.newest().encoded()));
    must(directory.commit(kept_kit));
  }
  const RestoreOptions options{
      .kit = scratch_ / "safe.kit", .invitation = scratch_ / "invitation", .out = folder_};
  const auto run = [&] { return restore(options, person(code_), now_ms(), system_random()); };
  for (const char* const name : {"cloud", "company"}) shows(name, other_parts());
  const auto refused = run();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("was not seen to open any agent's recovery parts"),
            std::string::npos)
      << refused.error().message();
  EXPECT_FALSE(exists("acme.kit"));
  EXPECT_TRUE(exists(".onboarding/acme.kit"));
  for (const char* const name : {"cloud", "company"}) EXPECT_EQ(reported(name), 0u);
  shows("cloud", std::nullopt);
  must(run());
  EXPECT_TRUE(exists("acme.kit"));
  EXPECT_EQ(reported("cloud"), 1u);
  EXPECT_EQ(reported("company"), 0u);
}

}  // namespace
}  // namespace coprotect::provisioning
