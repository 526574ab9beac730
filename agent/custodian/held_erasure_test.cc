// The operator of an agent holds the erasure of a destroyed key: whoever has the client CA's key for a while
// destroys nothing there that cannot be taken back.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/custodian/testing/old_disks.h"
#include "agent/custodian/testing/test_handover.h"
#include "hsm/erasure_holds.h"
#include "protocol/message/key_list.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::KeyList;
using protocol::KeyUse;
using testing::HandoverTool;
using testing::OldDisks;
using testing::statement;

constexpr std::int64_t kWaitMs = 2000;

using Said = std::vector<std::string>;

class HeldErasure : public testing::HandoverFixture {
 protected:
  HeldErasure() {
    pair.cloud.close();
    pair.cloud.destroy_wait = std::chrono::milliseconds(kWaitMs);
    pair.cloud.notify = [this](const Notification& n) { heard.push_back(n.event + ": " + n.text); };
    pair.cloud.open();
    old_disks.take();
  }

  protocol::KeyId key_id() const { return bundle.key_id(); }
  Result<Bytes> put(std::uint64_t serial, KeyUse use) {
    const std::int64_t now = pair.clock->now_ms;
    const KeyList list{.tenant = "acme",
                       .serial = serial,
                       .time_ms = now,
                       .keys = {{key_id(), use, use == KeyUse::destroyed ? now + kWaitMs : now}}};
    return pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                           list.sign(pair.acme.ca_key()));
  }
  void destroy() { must(put(1, KeyUse::destroyed)); }
  void sweep() { pair.cloud.custodian().sweep(); }
  void time_comes() {
    pair.clock->now_ms += kWaitMs;
    sweep();
  }
  std::filesystem::path file(const protocol::KeyId& key) const {
    return pair.cloud.folder() / hsm::ErasureHolds::kFolder / to_hex(key);
  }
  Bytes content(const std::filesystem::path& from) const {
    std::ifstream in(from, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(in), {});
  }
  void restore(const Bytes& content, const std::filesystem::path& to) const {
    std::filesystem::create_directories(to.parent_path());
    std::ofstream out(to, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  }
  bool kept() const { return old_disks.some_open(0) && old_disks.on_present_disk(0); }
  bool erased() const { return !old_disks.some_open(0) && !old_disks.on_present_disk(0); }
  std::string decrypts() {
    const auto file = testing::encrypt(bundle);
    const auto reply = testing::partials(pair.cloud, bundle, pair.ask_for(pair.cloud, {&file}), pair.alice);
    return reply ? "ok" : reply.error().message();
  }
  // What the log says of lists, holds and erasures.
  Said log() {
    Said said;
    for (const auto& entry : testing::read_log(pair.cloud, bundle, pair.admin))
      if (entry.kind == protocol::EntryKind::key_list)
        said.push_back(entry.outcome + ", " + std::string(protocol::recorded_name(entry.operation)) + ", " +
                       entry.detail);
    return said;
  }
  nlohmann::json health() {
    const auto answer = must(pair.cloud.call(ipc::Route::health, "", pair.admin.certificate.der(), {}));
    return nlohmann::json::parse(answer);
  }

  Said heard;
  OldDisks old_disks{pair.cloud};
};

constexpr const char* kHeld = "ok, hold-erasure, the operator holds the erasure of the key's shares";
constexpr const char* kReleased =
    "ok, release-erasure, the operator lets the erasure of the key's shares go on";
constexpr const char* kRemoved = "the destroyed key's shares are removed from the store";
constexpr const char* kErased = "the destroyed key's shares are erased";

TEST_F(HeldErasure, IsNotCarriedOutUntilItIsReleased) {
  destroy();
  pair.cloud.hold_erasure(key_id());
  time_comes();
  EXPECT_TRUE(kept());
  // The key is refused as its list says.
  EXPECT_EQ(decrypts(), "the key is destroyed");
  EXPECT_EQ(log().back(), kHeld);
  EXPECT_EQ(heard, Said{"held: the operator of the cloud agent holds the erasure of the key's shares"});
  EXPECT_EQ(health()["held"], nlohmann::json({to_hex(key_id())}));
  EXPECT_EQ(health()["erasure"], "ok");
  // The same in a reply that the agent signs. Nothing else of a handover is answered.
  EXPECT_TRUE(refresh().status(pair.cloud).condition.erasure_held);
  EXPECT_EQ(refresh().status(pair.cloud).condition.erasure, "");
  EXPECT_EQ(code_of(refresh().ask(pair.cloud, protocol::HandoverStep::offer)), "denied");
  EXPECT_EQ(why(refresh().ask(pair.cloud, protocol::HandoverStep::offer)), "the key is destroyed");
  EXPECT_TRUE(contains(pair.cloud.custodian().not_erased(), "the operator holds the erasure"));

  reopen(pair.cloud);
  pair.clock->now_ms += 1000 * kWaitMs;
  sweep();
  EXPECT_TRUE(kept());
  EXPECT_EQ(health()["held"].size(), 1u);
  const Said before = log();
  EXPECT_EQ(before.back(), kHeld);
  EXPECT_EQ(heard.size(), 1u);

  pair.cloud.hold_erasure(key_id(), false);
  sweep();
  EXPECT_TRUE(erased());
  Said all = log();
  ASSERT_EQ(all.size(), before.size() + 3);
  EXPECT_EQ(all[before.size()], kReleased);
  EXPECT_TRUE(contains(all[before.size() + 1], kRemoved));
  EXPECT_TRUE(contains(all[before.size() + 2], kErased));
  EXPECT_EQ(heard.back(),
            "released: the operator of the cloud agent lets the erasure of the key's shares go on");
  EXPECT_EQ(pair.cloud.custodian().not_erased(), "");
  reopen(pair.cloud);
  EXPECT_EQ(log(), all);
}

// What it is for: the rightful holder of the CA's key takes the destruction back, after its time.
TEST_F(HeldErasure, IsTakenBackByALaterListAsLongAsItIsHeld) {
  pair.cloud.hold_erasure(key_id());
  destroy();
  time_comes();
  must(put(2, KeyUse::decrypt_only));
  EXPECT_EQ(decrypts(), "ok");
  // A list that destroys it again waits again, and the hold stands.
  must(put(3, KeyUse::destroyed));
  time_comes();
  EXPECT_TRUE(kept());
  pair.cloud.hold_erasure(key_id(), false);
  sweep();
  EXPECT_TRUE(erased());
  const auto refused = put(4, KeyUse::decrypt_only);
  EXPECT_EQ(code_of(refused), "conflict") << "not held any more";
}

// Who can write to the disk, but cannot open the keyring.
TEST_F(HeldErasure, IsHeldByWhatCannotBeVerified) {
  destroy();
  pair.cloud.hold_erasure(key_id(), false);
  sweep();
  const Bytes good = content(file(key_id()));
  Bytes changed = good;
  changed[46] ^= 1;  // whether it is held
  const auto other = another("newcloud");
  other->hold_erasure(key_id(), false);
  const Bytes foreign = content(other->folder() / hsm::ErasureHolds::kFolder / to_hex(key_id()));
  pair.cloud.hold_erasure({9}, false);
  const Bytes of_another_key = content(file({9}));
  for (const Bytes& forged :
       {changed, foreign, of_another_key, Bytes{}, Bytes(good.begin(), good.end() - 1)}) {
    restore(forged, file(key_id()));
    time_comes();
    EXPECT_TRUE(kept());
    EXPECT_EQ(health()["status"], "degraded");
    EXPECT_TRUE(contains(health()["erasure"], "cannot be verified: the erasure is held"));
    EXPECT_EQ(health()["held"], nlohmann::json({to_hex(key_id())}));
    EXPECT_TRUE(contains(pair.cloud.custodian().not_erased(), file(key_id()).string()))
        << pair.cloud.custodian().not_erased();
    EXPECT_EQ(log().back(),
              "altered, hold-erasure, the operator may hold the erasure of the key's shares: what he says "
              "cannot be verified");
  }
  reopen(pair.cloud);
  time_comes();
  EXPECT_TRUE(kept());
  std::filesystem::remove(file(key_id()));
  std::filesystem::create_directory(file(key_id()));
  time_comes();
  EXPECT_TRUE(kept());
  std::filesystem::remove_all(file({9}).parent_path());
  std::ofstream(file({9}).parent_path()) << "no folder";
  time_comes();
  EXPECT_TRUE(kept());
  EXPECT_TRUE(contains(health()["erasure"], "all are held"));

  // The operator says it again, and it goes on.
  std::filesystem::remove(file({9}).parent_path());
  pair.cloud.hold_erasure(key_id(), false);
  sweep();
  EXPECT_TRUE(erased());
}

TEST_F(HeldErasure, OfAnotherKeyHoldsNothingOfThisOne) {
  destroy();
  pair.cloud.hold_erasure({9});
  time_comes();
  EXPECT_TRUE(erased());
  EXPECT_TRUE(heard.empty());
}

// The log has what the operator said: files that are removed or put back take nothing of it away.
TEST_F(HeldErasure, StandsWhateverBecomesOfItsFile) {
  destroy();
  pair.cloud.hold_erasure(key_id(), false);
  sweep();
  const Bytes released = content(file(key_id()));
  pair.cloud.hold_erasure(key_id());
  sweep();
  const Bytes held = content(file(key_id()));
  std::filesystem::remove(file(key_id()));
  time_comes();
  EXPECT_TRUE(kept());
  EXPECT_TRUE(contains(health()["erasure"], "gone from the agent's folder: it stands"));
  reopen(pair.cloud);
  time_comes();
  EXPECT_TRUE(kept());
  restore(released, file(key_id()));
  sweep();
  EXPECT_TRUE(kept());
  EXPECT_TRUE(contains(health()["erasure"], "older statement of the operator was put back"));
  EXPECT_TRUE(contains(pair.cloud.custodian().not_erased(), "older than what this agent has recorded"));
  reopen(pair.cloud);
  time_comes();
  EXPECT_TRUE(kept());

  // Nor does an old hold hold anything.
  restore(held, file(key_id()));
  pair.cloud.hold_erasure(key_id(), false);
  sweep();
  EXPECT_TRUE(erased());
  restore(held, file(key_id()));
  reopen(pair.cloud);
  EXPECT_EQ(log().back(), "ok, -, " + std::string(kErased));
}

TEST_F(HeldErasure, AnOldHoldThatIsPutBackHoldsNothing) {
  pair.cloud.hold_erasure(key_id());
  sweep();
  const Bytes held = content(file(key_id()));
  pair.cloud.hold_erasure(key_id(), false);
  sweep();
  restore(held, file(key_id()));
  destroy();
  time_comes();
  EXPECT_TRUE(erased());
}

// The agent takes the shares of all epochs out of its store in one step; from then on there is no way back.
TEST_F(HeldErasure, BeginsForAllEpochsOrForNone) {
  prepare_refresh_at_cloud();
  old_disks.take();
  destroy();
  // The step fails at its second row.
  sql(pair.cloud,
      "CREATE TABLE aside.row AS SELECT * FROM keys WHERE epoch=1; DELETE FROM keys WHERE epoch=1");
  time_comes();
  for (const std::uint32_t epoch : {0U, 1U}) EXPECT_TRUE(old_disks.all_open(epoch)) << epoch;
  EXPECT_TRUE(old_disks.on_present_disk(0));
  pair.cloud.close();
  sql(pair.cloud, "INSERT INTO keys SELECT * FROM aside.row");
  pair.cloud.hold_erasure(key_id());
  pair.cloud.open();
  time_comes();
  for (const std::uint32_t epoch : {0U, 1U}) EXPECT_TRUE(old_disks.on_present_disk(epoch)) << epoch;
  pair.cloud.hold_erasure(key_id(), false);
  sweep();
  for (const std::uint32_t epoch : {0U, 1U}) {
    EXPECT_FALSE(old_disks.some_open(epoch)) << epoch;
    EXPECT_FALSE(old_disks.on_present_disk(epoch)) << epoch;
  }
}

// Begun, and the token away: a hold that comes now stops nothing, and the log says that it came too late.
TEST_F(HeldErasure, ThatHasBegunIsFinished) {
  destroy();
  remove_token();
  time_comes();
  EXPECT_FALSE(old_disks.on_present_disk(0));
  EXPECT_FALSE(contains(log().back(), kErased));
  restore_token();
  pair.cloud.hold_erasure(key_id());
  pair.clock->now_ms += 60'000;
  sweep();
  EXPECT_TRUE(erased());
  const Said said = log();
  EXPECT_TRUE(contains(said.back(), kErased));
  EXPECT_EQ(said[said.size() - 2], std::string(kHeld) + ": too late, they are removed");
}

// Beside a sweep that carries it out: all or nothing.
TEST_F(HeldErasure, IsNeverHeldByHalf) {
  prepare_refresh_at_cloud();
  old_disks.take();
  destroy();
  pair.clock->now_ms += kWaitMs;
  std::thread operator_([&] { pair.cloud.hold_erasure(key_id()); });
  for (int i = 0; i < 20; ++i) sweep();
  operator_.join();
  sweep();
  const bool both = old_disks.all_open(0) && old_disks.all_open(1) && old_disks.on_present_disk(0) &&
                    old_disks.on_present_disk(1);
  const bool none = !old_disks.some_open(0) && !old_disks.some_open(1) && !old_disks.on_present_disk(0) &&
                    !old_disks.on_present_disk(1);
  EXPECT_TRUE(both || none);
  EXPECT_TRUE(contains(log().back(), both ? kHeld : kErased) || contains(log().back(), "too late"));
}

// Other parties were promised these erasures: an operator who could hold them would keep what they count as
// gone.
TEST_F(HeldErasure, IsNoneThatAHandoverPromised) {
  pair.cloud.hold_erasure(key_id());
  HandoverTool tool = refresh();
  tool.run_to_activate();
  sweep();
  old_disks.take();
  tool.retire();
  EXPECT_FALSE(old_disks.some_open(0));
  EXPECT_FALSE(old_disks.on_present_disk(0));
  bundle = tool.bundle();
  HandoverTool aborted = prepare_refresh_at_cloud();
  old_disks.take();
  abort_at_both(aborted);
  EXPECT_FALSE(old_disks.some_open(2));
  EXPECT_FALSE(old_disks.on_present_disk(2));
}

}  // namespace
}  // namespace coprotect::agent::custodian
