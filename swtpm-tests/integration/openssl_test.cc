// OpenSSL with libengine-pkcs11-openssl, and what that is for: a message that anybody encrypts with plain
// `openssl cms -encrypt` opens only with the consent of both agents.

#include <sstream>

#include "swtpm-tests/integration/joint_key.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

constexpr const char* kKey = "pkcs11:token=derive;object=derive;type=private";

// The engine knows no DH keys.
class OpenSsl : public JointKey {
 protected:
  Finished decrypt() const {
    return openssl({"cms", "-decrypt", "-binary", "-engine", "pkcs11", "-keyform", "engine", "-inkey", kKey,
                    "-recip", certificate(), "-inform", "DER", "-in", work() / "message.cms", "-out",
                    work() / "opened"})
        .run();
  }
  std::string refused() const {
    return JointKey::refused([this] { return decrypt(); });
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, OpenSsl, testing::Values("p256"),
                         [](const auto& tested) { return tested.param; });

TEST_P(OpenSsl, Derives) {
  make_peer("bob");
  const std::string secret = done(openssl({"pkeyutl", "-derive", "-engine", "pkcs11", "-keyform", "engine",
                                           "-inkey", kKey, "-peerkey", work() / "bob.pub"})
                                      .run());
  EXPECT_EQ(secret, secret_of_peer("bob"));
}

TEST_P(OpenSsl, OpensAMessageWithBothAgents) {
  const std::size_t before = recorded("cloud", "intent");
  for (const char* const hash : {"sha1", "sha256", "sha384", "sha512"}) {
    encrypt("for the archive", hash);
    const Finished run = decrypt();
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(read_file(work() / "opened"), "for the archive");
  }
  for (const char* const party : {"cloud", "company"})
    EXPECT_EQ(recorded(party, "intent"), before + 4) << party;
}

TEST_P(OpenSsl, OpensNothingWithoutEitherAgent) {
  encrypt("for the archive", "sha256");
  for (Agent* const agent : {&system().cloud(), &system().company()}) {
    agent->stop();
    EXPECT_NE(refused().find("agent"), std::string::npos);
    ASSERT_TRUE(agent->start());
  }
  EXPECT_EQ(decrypt().exit_code, 0);
}

TEST_P(OpenSsl, OpensNothingIfOneAgentRefuses) {
  encrypt("for the archive", "sha256");
  for (Agent* const agent : {&system().cloud(), &system().company()}) {
    agent->stop();
    const std::string config = read_file(agent->config());
    write_file(agent->config(), config.substr(0, config.find("[policy.derive]")));
    ASSERT_TRUE(agent->start());
    const std::string party = agent == &system().cloud() ? "cloud" : "company";
    const std::size_t before = recorded(party, "refusal");
    EXPECT_NE(refused().find("denied"), std::string::npos);
    EXPECT_EQ(recorded(party, "refusal"), before + 1);
    agent->stop();
    write_file(agent->config(), config);
    ASSERT_TRUE(agent->start());
  }
  EXPECT_EQ(decrypt().exit_code, 0);
}

TEST_P(OpenSsl, OpensNothingForARemovedClient) {
  encrypt("for the archive", "sha256");
  ASSERT_EQ(remove_alice().exit_code, 0);
  refused();
}

// The blocks of docs/integrations.md that are marked as sh, one after the other.
TEST_P(OpenSsl, RunsTheCommandsOfTheDocumentation) {
  std::istringstream page(read_file(COPROTECT_SOURCE_DIR "/docs/integrations.md"));
  std::string script = "set -eux\nPATH=" + System::program("coprotect").parent_path().string() + ":$PATH\n";
  bool inside = false;
  std::size_t blocks = 0;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) {
      inside = line == "```sh";
      blocks += inside ? 1 : 0;
    } else if (inside) {
      script += line + "\n";
    }
  }
  EXPECT_EQ(blocks, 7u);
  std::filesystem::create_directory(work() / "docs");
  done(tool("sh")
           .args({"-c", "cd \"$1\" && exec sh -s", "sh", work() / "docs"})
           .env("MODULE=" + module().string())
           .env("OPENSSL_MODULES=" COPROTECT_PROVIDER_DIR)
           .feed(0, script)
           .run(std::chrono::seconds(120)));
  for (const char* const opened : {"opened", "opened-again"})
    EXPECT_EQ(read_file(work() / "docs" / opened), "for the archive\n");
}

// As a company that loads the engine for every program does it: the helper, a program too, must not.
TEST_P(OpenSsl, WorksWhereItsConfigurationLoadsTheEngine) {
  write_file(work() / "openssl.cnf",
             "openssl_conf = init\n[init]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\n"
             "engine_id = pkcs11\nMODULE_PATH = " +
                 module().string() + "\ninit = 1\n");
  make_peer("carol");
  const Finished run = openssl({"pkeyutl", "-derive", "-engine", "pkcs11", "-keyform", "engine", "-inkey",
                                kKey, "-peerkey", work() / "carol.pub"})
                           .env("OPENSSL_CONF=" + (work() / "openssl.cnf").string())
                           .run();
  EXPECT_EQ(done(run), secret_of_peer("carol"));
}

// docs/integrations.md: how a CA sees that the applicant can use the key, which cannot sign a request.
TEST_P(OpenSsl, ProvesPossessionByOpeningAChallenge) {
  done(openssl({"rand", "-hex", "-out", work() / "challenge", "32"}).run());
  encrypt(read_file(work() / "challenge"), "sha256");
  ASSERT_EQ(decrypt().exit_code, 0);
  EXPECT_EQ(read_file(work() / "opened"), read_file(work() / "challenge"));
}

TEST_P(OpenSsl, AsksForThePassphraseOfAnEncryptedClientKey) {
  path file;
  for (const auto& entry : std::filesystem::directory_iterator(alice().parent_path()))
    if (read_file(entry.path()).find("PRIVATE KEY") != std::string::npos) file = entry.path();
  ASSERT_FALSE(file.empty());
  done(openssl({"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", file, "-out", work() / "encrypted",
                "-passout", "pass:open sesame"})
           .run());
  std::filesystem::copy_file(work() / "encrypted", file, std::filesystem::copy_options::overwrite_existing);
  encrypt("for the archive", "sha256");
  const auto with_pin = [this](const std::string& pin) {
    return openssl({"cms", "-decrypt", "-binary", "-engine", "pkcs11", "-keyform", "engine", "-inkey",
                    std::string(kKey) + "?pin-value=" + pin, "-recip", certificate(), "-inform", "DER", "-in",
                    work() / "message.cms", "-out", work() / "opened"})
        .run();
  };
  EXPECT_NE(with_pin("wrong").exit_code, 0);
  const Finished run = with_pin("open%20sesame");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(read_file(work() / "opened"), "for the archive");
  const std::string slots = done(tool("pkcs11-tool").args({"--module", module(), "--list-slots"}).run());
  EXPECT_NE(slots.find("login required"), std::string::npos) << slots;
}

}  // namespace
}  // namespace coprotect::harness
