// The key of a destroyed epoch is in no copy of the table, old or new, and the other keys stay, whatever is
// killed at any point. On a TPM and on a PKCS#11 token.

#include "hsm/epoch_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "swtpm-tests/harness/helper_script.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::hsm {
namespace {

using harness::Command;
using harness::Finished;

enum class Kind { tpm, pkcs11 };

class EpochKeysOn : public testing::TestWithParam<Kind> {
 protected:
  EpochKeysOn() {
    if (GetParam() == Kind::tpm)
      tpm_.emplace(scratch_ / "tpm");
    else
      token_.emplace(scratch_ / "token");
    name_ = run("name", {"-"}).out;
    EXPECT_FALSE(name_.empty());
  }

  std::string uri() const { return tpm_ ? tpm_->uri() : token_->uri(); }
  std::filesystem::path table() const { return scratch_ / "epochs"; }

  // Runs one operation in a separate process, killed at its N-th fault point (0: at none).
  Finished run(const std::string& operation, const std::vector<std::string>& epochs, int fault_at = 0,
               const std::filesystem::path& helper = COPROTECT_TOKEN) const {
    return run_on(table(), operation, epochs, fault_at, helper);
  }
  Finished run_on(const std::filesystem::path& table, const std::string& operation,
                  const std::vector<std::string>& epochs, int fault_at = 0,
                  const std::filesystem::path& helper = COPROTECT_TOKEN) const {
    Command command(COPROTECT_EPOCH_KEYS_SUBJECT);
    command.args({uri(), name_, helper.string(), table.string(), operation}).args(epochs);
    if (epochs.empty()) command.arg("-");
    if (fault_at > 0) command.env("COPROTECT_FAULT_AT=" + std::to_string(fault_at));
    if (token_) command.env("SOFTHSM2_CONF=" + token_->configuration().string());
    return command.run();
  }
  std::vector<std::string> make(const std::vector<std::string>& epochs) const {
    return lines_of(run("make", epochs));
  }
  std::vector<std::string> get(const std::vector<std::string>& epochs) const {
    return lines_of(run("get", epochs));
  }
  static std::vector<std::string> lines_of(const Finished& run) {
    std::istringstream text(run.out);
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    EXPECT_FALSE(lines.empty()) << run.err;
    return lines;
  }
  // A copy of the table, like one in a backup or a freed block.
  void keep_copy() {
    copies_.push_back(scratch_ / ("copy" + std::to_string(copies_.size())));
    std::filesystem::copy_file(table(), copies_.back());
  }
  // Whether any copy still releases the epoch's key.
  bool some_copy_has(const std::string& epoch) const {
    return std::ranges::any_of(copies_, [&](const auto& copy) {
      const Finished found = run_on(copy, "get", {epoch});
      EXPECT_TRUE(found.exit_code == 0 || found.out == "altered\n") << found.err;
      return found.exit_code == 0;
    });
  }
  // A helper that dies at its N-th fault point.
  std::filesystem::path dying_helper(int fault_at) const {
    return harness::helper_script(
        scratch_, "dying" + std::to_string(fault_at),
        "export COPROTECT_FAULT_AT=" + std::to_string(fault_at) + "\nexec " COPROTECT_FAULT_TOKEN);
  }

  harness::Scratch scratch_;
  std::optional<harness::SoftTpm> tpm_;
  std::optional<harness::SoftToken> token_;
  std::string name_;
  std::vector<std::filesystem::path> copies_;
};
INSTANTIATE_TEST_SUITE_P(Tokens, EpochKeysOn, testing::Values(Kind::tpm, Kind::pkcs11),
                         [](const auto& kind) { return kind.param == Kind::tpm ? "tpm" : "pkcs11"; });

TEST_P(EpochKeysOn, StayUntilTheyAreDestroyed) {
  const auto made = make({"1:0", "1:1", "2:0"});
  ASSERT_EQ(made.size(), 3U);
  EXPECT_NE(made[0], made[1]);
  EXPECT_NE(made[0], made[2]);
  EXPECT_EQ(make({"1:0", "1:1", "2:0"}), made);
  keep_copy();
  EXPECT_EQ(get({"1:0", "1:1", "2:0"}), made);
  EXPECT_EQ(get({"1:2"}).front(), "altered");

  // Several in one call.
  const Finished destroyed = run("destroy", {"1:0", "2:0"});
  EXPECT_EQ(destroyed.exit_code, 0) << destroyed.err;
  EXPECT_EQ(get({"1:0", "1:1", "2:0"}), (std::vector<std::string>{"altered", made[1], "altered"}));
  EXPECT_FALSE(some_copy_has("1:0"));
  EXPECT_FALSE(some_copy_has("2:0"));
  // Repeating it, and an empty list, change nothing.
  const std::string before = harness::read_file(table());
  EXPECT_EQ(run("destroy", {"1:0"}).exit_code, 0);
  EXPECT_EQ(run("destroy", {}).exit_code, 0);
  EXPECT_EQ(harness::read_file(table()), before);
  // An epoch whose key was destroyed gets a new key.
  EXPECT_NE(make({"1:0"}).front(), made[0]);
}

TEST_P(EpochKeysOn, KilledAnywhereAreDestroyedOrNotAndTheOthersStay) {
  const auto kept = make({"1:1", "2:0"});
  int fault_at = 1;
  for (bool killed = true; killed; ++fault_at) {
    const std::string doomed = make({"1:0"}).front();
    keep_copy();
    const Finished run_killed = run("destroy", {"1:0"}, fault_at);
    killed = run_killed.exit_code == 128 + 9;
    EXPECT_TRUE(killed || run_killed.exit_code == 0) << run_killed.err;
    keep_copy();
    // Before the new root has its table, nothing has happened; after that, the switch is completed.
    const auto after = get({"1:0", "1:1", "2:0"});
    ASSERT_EQ(after.size(), 3U) << "point " << fault_at;
    EXPECT_TRUE(after[0] == doomed || after[0] == "altered") << "point " << fault_at;
    EXPECT_EQ((std::vector<std::string>{after[1], after[2]}), kept) << "point " << fault_at;
    EXPECT_EQ(run("destroy", {"1:0"}).exit_code, 0);
    EXPECT_FALSE(some_copy_has("1:0")) << "point " << fault_at;
    EXPECT_EQ(get({"1:1", "2:0"}), kept) << "point " << fault_at;
    copies_.clear();
    for (const auto& file : std::filesystem::directory_iterator(scratch_.path()))
      if (file.path().filename().string().starts_with("copy")) std::filesystem::remove(file.path());
  }
  EXPECT_GT(fault_at, 7);
}

// The token's own part of the switch: the root is half made, or half destroyed.
TEST_P(EpochKeysOn, GoOnWhenTheTokensHelperIsKilled) {
  const auto kept = make({"1:1"});
  int fault_at = 1;
  for (;; ++fault_at) {
    SCOPED_TRACE(fault_at);
    ASSERT_LT(fault_at, 60);
    const std::string doomed = make({"1:0"}).front();
    const Finished killed = run("destroy", {"1:0"}, 0, dying_helper(fault_at));
    if (killed.exit_code == 0) break;  // no helper has so many points
    EXPECT_EQ(killed.exit_code, 1);
    const auto after = get({"1:0", "1:1"});
    EXPECT_TRUE(after[0] == "altered" || after[0] == doomed) << after[0];
    EXPECT_EQ(after[1], kept.front());
    keep_copy();
    EXPECT_EQ(run("destroy", {"1:0"}).exit_code, 0);
    EXPECT_FALSE(some_copy_has("1:0"));
    EXPECT_EQ(get({"1:1"}), kept);
  }
  // Copying a PKCS#11 token has fault points, too.
  EXPECT_GT(fault_at, GetParam() == Kind::pkcs11 ? 8 : 2);
  // Killed under the new root, so that the old one is destroyed by the next process.
  int under_new_root = 0;
  for (fault_at = 1; under_new_root == 0 && fault_at < 20; ++fault_at) {
    make({"1:0"});
    keep_copy();
    EXPECT_EQ(run("destroy", {"1:0"}, fault_at).exit_code, 137);
    if (get({"1:0"}).front() == "altered") under_new_root = fault_at;
    if (under_new_root == 0) {
      EXPECT_EQ(run("destroy", {"1:0"}).exit_code, 0);
    }
  }
  for (fault_at = 1; fault_at <= 2; ++fault_at) {
    EXPECT_EQ(run("recover", {}, 0, dying_helper(fault_at)).exit_code, 1);
    EXPECT_EQ(get({"1:1"}), kept);
  }
  const Finished recovered = run("recover", {});
  EXPECT_EQ(recovered.exit_code, 0) << recovered.err;
  EXPECT_FALSE(some_copy_has("1:0"));
  EXPECT_EQ(get({"1:1"}), kept);
}

// An epoch that is missing from the table may still have its key elsewhere.
TEST_P(EpochKeysOn, DestroyNothingThatTheTableDoesNotKnow) {
  make({"1:0", "2:0"});
  const Finished unknown = run("destroy", {"1:0", "3:9"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_NE(unknown.err.find("epoch 9 of key 0303"), std::string::npos) << unknown.err;
  EXPECT_NE(unknown.err.find(table().string()), std::string::npos) << unknown.err;
  EXPECT_EQ(get({"1:0"}).front(), "altered") << "the other one is destroyed all the same";

  // An older copy, which the same root opens and which lacks epoch 1.
  const auto older = scratch_ / "older";
  std::filesystem::copy_file(table(), older);
  make({"2:1"});
  keep_copy();
  std::filesystem::copy_file(older, table(), std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(run("destroy", {"2:1"}).exit_code, 1);
  EXPECT_TRUE(some_copy_has("2:1"));
  std::filesystem::copy_file(copies_.back(), table(), std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(run("destroy", {"2:1"}).exit_code, 0);
  EXPECT_FALSE(some_copy_has("2:1"));
  EXPECT_EQ(run("destroy", {"2:1"}).exit_code, 0);

  // A copy that says that the epoch was destroyed, from before its key was made again.
  std::filesystem::copy_file(table(), older, std::filesystem::copy_options::overwrite_existing);
  make({"2:1"});
  keep_copy();
  std::filesystem::copy_file(older, table(), std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(run("destroy", {"2:1"}).exit_code, 1);
  std::filesystem::copy_file(copies_.back(), table(), std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(run("destroy", {"2:1"}).exit_code, 0);
  EXPECT_FALSE(some_copy_has("2:1"));
}

TEST_P(EpochKeysOn, AreNotTakenToBeGoneWithTheirTable) {
  EXPECT_EQ(run("recover", {}).exit_code, 0) << "nothing was sealed yet";
  EXPECT_EQ(run("destroy", {"1:0"}).exit_code, 1);
  const auto made = make({"1:0"});
  EXPECT_EQ(run("go-on", {}).exit_code, 0);
  const auto away = scratch_ / "away";
  std::filesystem::rename(table(), away);
  const Finished missing = run("go-on", {});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.err.find("\"" + table().string() + "\" is missing"), std::string::npos) << missing.err;
  EXPECT_EQ(run("destroy", {"1:0"}).exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(table()));
  std::filesystem::rename(away, table());
  EXPECT_EQ(get({"1:0"}), made);
  EXPECT_EQ(run("go-on", {}).exit_code, 0);
}

// A copy from the middle of a switch names the new root as one that must not exist. Now the table lives under
// that root, because the old one could not be destroyed yet.
TEST_P(EpochKeysOn, AreNotTouchedByTheCheckOfACopy) {
  const auto kept = make({"1:1", "1:0"});
  const std::string calls = (scratch_ / "calls").string();
  const auto copy = scratch_ / "copy";
  // The calls are: unseal, make the new root, destroy the old one.
  const auto helper =
      harness::helper_script(scratch_, "failing",
                             "echo call >> " + calls +
                                 "\n"
                                 "case $(wc -l < " +
                                 calls + ") in 2) cp " + table().string() + " " + copy.string() +
                                 ";; 3) exit 1;; esac\n"
                                 "exec " COPROTECT_TOKEN);
  EXPECT_EQ(run("destroy", {"1:0"}, 0, helper).exit_code, 1);
  const std::string before = harness::read_file(copy);
  EXPECT_EQ(run_on(copy, "check", {}).exit_code, 0);
  EXPECT_EQ(harness::read_file(copy), before);
  EXPECT_EQ(get({"1:1"}).front(), kept.front());
  EXPECT_EQ(run("recover", {}).exit_code, 0);
  EXPECT_EQ(run_on(copy, "check", {}).exit_code, 1) << "its root is destroyed now";
  EXPECT_EQ(get({"1:1"}).front(), kept.front());
}

TEST_P(EpochKeysOn, RefuseATableWithAnyByteChangedOrMissing) {
  make({"1:0"});
  const std::string content = harness::read_file(table());
  for (std::size_t i = 0; i < content.size(); i += 37) {
    std::string changed = content;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    harness::write_file(table(), changed);
    EXPECT_EQ(get({"1:0"}).front(), "altered") << "byte " << i;
    EXPECT_NE(run("destroy", {"1:0"}).exit_code, 0) << "byte " << i;
  }
  harness::write_file(table(), content.substr(0, content.size() - 1));
  EXPECT_EQ(get({"1:0"}).front(), "altered");
  harness::write_file(table(), content);
  EXPECT_EQ(run("get", {"1:0"}).exit_code, 0);
}

}  // namespace
}  // namespace coprotect::hsm
