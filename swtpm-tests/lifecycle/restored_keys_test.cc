// A company that rotated its key, and did not forget the old one, loses all its machines: every key comes
// back, each by its own kit and code, and nobody who was removed.

#include "swtpm-tests/lifecycle/lifecycle.h"

namespace coprotect::harness {
namespace {

namespace fs = std::filesystem;

class LifecycleRestoredKeys : public testing::Test {
 protected:
  LifecycleRestoredKeys() {
    fs::create_directory(safe);
    const Finished rotated = system.rotate("rotation-1");
    EXPECT_TRUE(done(rotated));
    EXPECT_NE(rotated.out.find("It holds the client CA's key, too"), std::string::npos) << rotated.out;
    fs::copy_file(system.kit(), safe / "acme.kit");
    fs::copy_file(system.kit("rotation-1"), safe / "rotation-1.kit");
    EXPECT_TRUE(done(system.coprotect(system.admin(), {"update"})));
    write_file(system.folder() / "new", "new");
    EXPECT_TRUE(done(system.coprotect(system.admin(), {"encrypt", (system.folder() / "new").string()})));
  }
  Agent& lose_the_company(const std::string& number) {
    system.company().stop();
    fs::rename(system.out(), system.folder() / ("lost-" + number));
    return system.add_agent("company", "company-" + number, false);
  }
  Finished restore(const std::string& kit, const std::string& code, const Agent& agent,
                   const std::vector<std::string>& more) {
    std::vector<std::string> args = {"restore", "--kit", (safe / kit).string(), "--invitation",
                                     agent.invitation().string()};
    args.insert(args.end(), more.begin(), more.end());
    system.keep_code(code);
    return system.hand_over(args);
  }
  std::string out() const { return system.out().string(); }
  // Reads the file of the new key.
  Finished open_new(const fs::path& config) const {
    return system.coprotect(config, {"decrypt", (system.folder() / "new.cop").string(), "-o", "-"});
  }
  static bool says(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  System system{
      {.suite = "p256", .policy = "destroy_seconds = 1\n", .handover_policy = "delay_seconds = 2\n"}};
  const KeptFile file{system};
  const fs::path safe = system.folder() / "safe";
  const std::string first_code = system.code();
};

TEST_F(LifecycleRestoredKeys, AllComeBackAlsoADisabledFirstKey) {
  const fs::path alice = system.add_client("alice");
  const Finished disabled = system.key_state("acme", "disabled");
  EXPECT_TRUE(done(disabled));
  EXPECT_TRUE(says(disabled.out, "rotation-1.kit holds the client CA's key, too")) << disabled.out;
  // With the new kit kept elsewhere, the tool cannot see that it is not the only one.
  fs::remove(system.kit("rotation-1"));
  const Finished planned = system.key_state("acme", "destroyed", {"--plan"});
  EXPECT_TRUE(says(planned.out, "keep this key's kit and code")) << planned.out;
  Agent& fresh = lose_the_company("1");

  // What the cloud tells of clients and keys is shown, and counts once somebody says so.
  const Finished early = restore("acme.kit", first_code, fresh, {"--out", out()});
  EXPECT_EQ(early.exit_code, 6) << early.out << early.err;
  EXPECT_TRUE(says(early.out, "coprotect:acme:user:alice")) << early.out;
  EXPECT_TRUE(says(early.out, "key list 2 of ") && says(early.out, "  disabled")) << early.out;
  EXPECT_TRUE(says(early.err, "nobody said that the key list")) << early.err;
  const Finished older =
      restore("acme.kit", first_code, fresh, {"--out", out(), "--wait", "--key-list", "3"});
  EXPECT_NE(older.exit_code, 0);
  EXPECT_TRUE(says(older.err, "--key-list names key list 3, and the agents show 2")) << older.err;
  const Finished first =
      restore("acme.kit", first_code, fresh, {"--out", out(), "--wait", "--key-list", "2"});
  ASSERT_TRUE(done(first));

  // The other key's kit says nothing of the folder of the first, and goes into it.
  const std::string code = system.code("rotation-1");
  const Finished other = restore("rotation-1.kit", code, fresh, {"--out", out(), "--key-list", "2"});
  EXPECT_EQ(other.exit_code, 3) << other.out << other.err;
  EXPECT_TRUE(says(other.err, "and the kit is of key ")) << other.err;
  EXPECT_FALSE(says(other.out, "is restored")) << other.out;
  ASSERT_TRUE(done(system.invite(fresh)));
  const Finished further = restore("rotation-1.kit", code, fresh, {"--dir", out(), "--wait"});
  ASSERT_TRUE(done(further));
  EXPECT_TRUE(says(further.out, "the key \"rotation-1\" is restored")) << further.out;
  EXPECT_TRUE(done(restore("rotation-1.kit", code, fresh, {"--dir", out()}))) << "may be repeated";
  // Whoever does not have the key learns of it once those that hold it now can confirm it.
  EXPECT_TRUE(done(system.hand_over({"refresh", "--dir", out(), "--key", "rotation-1"})));
  EXPECT_TRUE(done(open_new(system.admin())));
  EXPECT_NE(open_new(alice).exit_code, 0) << "alice was not kept";
  EXPECT_FALSE(file.opens(system.admin())) << "it is still disabled";
  EXPECT_TRUE(done(system.key_state("acme", "decrypt-only")));
  EXPECT_TRUE(file.opens(system.admin()));
  EXPECT_TRUE(file.opens(system.add_client("carol")));
  EXPECT_TRUE(done(system.hand_over({"refresh", "--dir", out()})));
}

TEST_F(LifecycleRestoredKeys, TheyDoNotNeedTheFirstKey) {
  ASSERT_TRUE(done(system.add_key("mail", {"--purpose", "derive"})));
  fs::copy_file(system.kit("mail"), safe / "mail.kit");
  const fs::path alice = system.add_client("alice");
  ASSERT_TRUE(done(system.key_state("acme", "destroyed", {"--wait", "20s", "--yes"})));
  Agent& fresh = lose_the_company("1");
  const Finished gone = restore("acme.kit", first_code, fresh, {"--out", out()});
  EXPECT_EQ(gone.exit_code, 3) << gone.out << gone.err;
  EXPECT_TRUE(says(gone.err, "the key is destroyed")) << gone.err;
  fs::remove_all(out());

  // The kit of a key that derives has no client CA; the destroyed key's, which opens nothing else, has.
  const auto plan_of_mail = [&](const std::vector<std::string>& more) {
    return Command(System::program("coprotect-provision"))
        .args({"restore", "--kit", (safe / "mail.kit").string(), "--invitation", fresh.invitation().string(),
               "--out", (system.folder() / "mail").string(), "--plan", "--code-fd", "8"})
        .args(more)
        .feed(7, first_code + "\n")
        .feed(8, system.code("mail") + "\n")
        .run();
  };
  const Finished without = plan_of_mail({});
  EXPECT_EQ(without.exit_code, 3) << without.out << without.err;
  EXPECT_TRUE(says(without.err, "does not hold the client CA's key")) << without.err;
  EXPECT_TRUE(says(without.err, "--ca-kit names a kit that does")) << without.err;
  EXPECT_TRUE(done(plan_of_mail({"--ca-kit", (safe / "acme.kit").string(), "--ca-code-fd", "7"})));

  const std::string code = system.code("rotation-1");
  const std::vector<std::string> alone = {"--out", out(), "--wait", "--key-list", "2", "--keep-clients", "4"};
  const Finished restored = restore("rotation-1.kit", code, fresh, alone);
  ASSERT_TRUE(done(restored)) << "with its own kit alone";
  EXPECT_TRUE(done(open_new(system.admin())));
  EXPECT_TRUE(done(open_new(alice))) << "alice was kept";
  EXPECT_TRUE(done(system.hand_over({"refresh", "--dir", out()})));
  EXPECT_TRUE(done(open_new(system.add_client("bob"))));
}

}  // namespace
}  // namespace coprotect::harness
