// A drill in which one agent keeps parts that do not open.

#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "client/test_agents.h"
#include "protocol/group/test_suites.h"
#include "protocol/recovery/code.h"
#include "protocol/recovery/kit.h"
#include "protocol/recovery/test_blob.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/drill.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

class LyingDrill : public testing::TestWithParam<protocol::SuiteId> {
 protected:
  LyingDrill() {
    const auto& bundle = agents_.newest();
    const client::Credentials admin = agents_.credentials("coprotect:acme:admin:root");
    must(write_client_files(folder_ / "admin", {.name = "root",
                                                .tenant = bundle.tenant(),
                                                .key_id = bundle.key_id(),
                                                .certificate = admin.certificate,
                                                .key = admin.key}));
    must(write_client_bundle(folder_ / "admin", bundle.tenant(), bundle.encoded()));
    auto blob = must(protocol::RecoveryBlob::seal_with(protocol::kQuickCost, {1}, {2},
                                                       must(protocol::read_code(code_.reveal())),
                                                       bundle.key_id(), GetParam(), agents_.recovery_key()));
    agents_.keep_blob(blob.first.encoded());
    const client::Credentials rescuer = agents_.credentials("coprotect:acme:recovery:recovery");
    const auto kit = protocol::RecoveryKit::seal(bundle.encoded(), blob.first, rescuer.certificate.der(),
                                                 rescuer.key, nullptr, blob.second, system_random());
    must(write_durable(folder_ / "kit", kit.encode(), kPrivateMode));
  }
  // The evidence about each quorum, with the requests that it names.
  nlohmann::json drill() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const std::string line = std::string(text_of(code_.reveal())) + "\n";
    EXPECT_EQ(write(ends[1], line.data(), line.size()), static_cast<ssize_t>(line.size()));
    close(ends[1]);
    const DrillOptions options{.directory = folder_,
                               .key = {},
                               .kit = folder_ / "kit",
                               .renewed_kit = {},
                               .out = folder_ / ("out" + std::to_string(++drills_))};
    const Operator person{{.show_code = {}, .code = ends[0], .ca_passphrase = {}}};
    const auto done = provisioning::drill(options, person, now_ms(), system_random());
    EXPECT_TRUE(done) << done.error().message();
    passed_ = done && *done == Exit::done;
    for (const auto& entry : fs::directory_iterator(options.out))
      if (entry.path().extension() == ".json")
        return nlohmann::json::parse(
            text_of(must(client::read_small_file(entry.path(), kMaxFile))))["quorums"];
    return {};
  }

  client::test::TestAgents agents_{GetParam()};
  const Secret code_ = protocol::generate_code(system_random());
  const harness::Scratch scratch_;
  const fs::path folder_{scratch_.path()};
  bool passed_ = false;
  int drills_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Suites, LyingDrill, protocol::test::tested_suites(), protocol::test::suite_label);

TEST_P(LyingDrill, AQuorumOpensWithWhatItsOwnAgentsKeep) {
  const auto whole = drill();
  EXPECT_TRUE(passed_);
  ASSERT_EQ(whole.size(), 3u);
  // Both requests to the agent are named: for its partial, and for the recovery share's.
  EXPECT_EQ(whole[1]["requests"].size(), 2u) << whole;

  Bytes parts = agents_.epoch(0).parts;
  parts[parts.size() / 2] ^= 1;
  agents_.agent("cloud").parts = parts;
  const auto lacking = drill();
  EXPECT_FALSE(passed_);
  ASSERT_EQ(lacking.size(), 3u);
  for (const auto& quorum : lacking) {
    const bool affected = quorum["parties"] == nlohmann::json({"cloud", "recovery"});
    EXPECT_EQ(quorum["result"], affected ? "failed" : "passed") << quorum;
    if (!affected) continue;
    EXPECT_NE(quorum["failure"].get<std::string>().find("cloud agent"), std::string::npos);
  }
}

}  // namespace
}  // namespace coprotect::provisioning
