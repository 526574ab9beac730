// The openssl program with our provider: the commands of docs/integrations.md.

#include "swtpm-tests/integration/joint_key.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

constexpr const char* kKey = "coprotect:derive";

class ProviderTools : public JointKey {
 protected:
  // `openssl COMMAND ARGS…` with the providers in this order.
  Finished run(const std::string& command, const std::vector<std::string>& args,
               const std::vector<std::string>& providers = {"coprotect", "default"}) const {
    Command with_providers = openssl({command});
    for (const std::string& provider : providers) with_providers.args({"-provider", provider});
    return with_providers.env("OPENSSL_MODULES=" COPROTECT_PROVIDER_DIR).args(args).run();
  }
  Finished decrypt(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args = {"-decrypt",    "-binary",        "-inkey", kKey,  "-recip",
                                     certificate(), "-inform",        "DER",    "-in", work() / "message.cms",
                                     "-out",        work() / "opened"};
    args.insert(args.end(), more.begin(), more.end());
    return run("cms", args);
  }
  std::string refused() const {
    return JointKey::refused([this] { return decrypt(); });
  }
};

class BothSuites : public ProviderTools {};
INSTANTIATE_TEST_SUITE_P(ProviderTools, BothSuites, testing::Values("p256", "ffdhe3072"),
                         [](const auto& tested) { return tested.param; });
// OpenSSL's CMS knows DH keys of X9.42 alone, not those of PKCS #3.
class Cms : public ProviderTools {};
INSTANTIATE_TEST_SUITE_P(ProviderTools, Cms, testing::Values("p256"),
                         [](const auto& tested) { return tested.param; });

TEST_P(BothSuites, ListsKeysAndCertificate) {
  const std::string of_key = done(run("storeutl", {"-noout", kKey}));
  EXPECT_EQ(of_key, "0: Pkey\n1: Public key\n2: Certificate\nTotal found: 3\n");
  const std::string all = done(run("storeutl", {"-noout", "coprotect:"}));
  EXPECT_NE(all.find("Total found: 5\n"), std::string::npos) << all;
  EXPECT_EQ(done(run("storeutl", {"-certs", kKey})).find("-----BEGIN CERTIFICATE"),
            done(run("storeutl", {"-certs", "coprotect:"})).find("-----BEGIN CERTIFICATE"));
  const Finished unknown = run("storeutl", {"coprotect:nothing"});
  EXPECT_NE(unknown.exit_code, 0);
  EXPECT_NE(unknown.err.find("the configuration has no key"), std::string::npos) << unknown.err;
}

TEST_P(BothSuites, GivesThePublicHalfAndNotThePrivateOne) {
  EXPECT_EQ(done(run("pkey", {"-in", kKey, "-pubout"})), read_file(work() / "derive.pub"));
  EXPECT_EQ(done(run("pkey", {"-in", kKey, "-pubin", "-pubout"})), read_file(work() / "derive.pub"));
  const Finished whole = run("pkey", {"-in", kKey});
  EXPECT_EQ(whole.out, "");
  EXPECT_NE(whole.err.find("cannot be exported"), std::string::npos) << whole.err;
}

TEST_P(BothSuites, DerivesWhateverTheOrderOfTheProviders) {
  make_peer("bob");
  for (const auto& providers :
       {std::vector<std::string>{"coprotect", "default"}, std::vector<std::string>{"default", "coprotect"}}) {
    const Finished derived =
        run("pkeyutl", {"-derive", "-inkey", kKey, "-peerkey", work() / "bob.pub"}, providers);
    EXPECT_EQ(done(derived), secret_of_peer("bob"));
  }
}

// As in docs/integrations.md, for every program. The helper, a program too, does not load it.
TEST_P(BothSuites, NeedNoOptionsWhereTheConfigurationLoadsTheProvider) {
  write_file(work() / "openssl.cnf",
             "openssl_conf = openssl_init\n[openssl_init]\nproviders = provider_list\n"
             "[provider_list]\ndefault = default_provider\ncoprotect = coprotect_provider\n"
             "[default_provider]\nactivate = 1\n[coprotect_provider]\nactivate = 1\n");
  make_peer("bob");
  const Finished derived = openssl({"pkeyutl", "-derive", "-inkey", kKey, "-peerkey", work() / "bob.pub"})
                               .env("OPENSSL_MODULES=" COPROTECT_PROVIDER_DIR)
                               .env("OPENSSL_CONF=" + (work() / "openssl.cnf").string())
                               .run();
  EXPECT_EQ(done(derived), secret_of_peer("bob"));
}

TEST_P(Cms, OpensAMessageWithBothAgents) {
  const std::size_t before = recorded("cloud", "intent");
  for (const char* const hash : {"sha1", "sha256", "sha384", "sha512"}) {
    encrypt("for the archive", hash);
    done(decrypt());
    EXPECT_EQ(read_file(work() / "opened"), "for the archive");
  }
  for (const char* const party : {"cloud", "company"})
    EXPECT_EQ(recorded(party, "intent"), before + 4) << party;
}

TEST_P(Cms, OpensNothingWithoutEitherAgent) {
  encrypt("for the archive");
  for (Agent* const agent : {&system().cloud(), &system().company()}) {
    agent->stop();
    const std::string said = refused();
    EXPECT_NE(said.find("too few agents answer"), std::string::npos) << said;
    ASSERT_TRUE(agent->start());
  }
  done(decrypt());
}

TEST_P(Cms, OpensNothingIfOneAgentRefuses) {
  encrypt("for the archive");
  for (Agent* const agent : {&system().cloud(), &system().company()}) {
    agent->stop();
    const std::string config = read_file(agent->config());
    write_file(agent->config(), config.substr(0, config.find("[policy.derive]")));
    ASSERT_TRUE(agent->start());
    const std::string said = refused();
    EXPECT_NE(said.find("refused by an agent"), std::string::npos) << said;
    EXPECT_NE(said.find("denied"), std::string::npos) << said;
    agent->stop();
    write_file(agent->config(), config);
    ASSERT_TRUE(agent->start());
  }
  done(decrypt());
}

TEST_P(Cms, AsksForThePassphraseOfAnEncryptedClientKey) {
  path file;
  for (const auto& entry : std::filesystem::directory_iterator(alice().parent_path()))
    if (read_file(entry.path()).find("PRIVATE KEY") != std::string::npos) file = entry.path();
  ASSERT_FALSE(file.empty());
  done(openssl({"pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", file, "-out", work() / "encrypted",
                "-passout", "pass:open sesame"})
           .run());
  std::filesystem::copy_file(work() / "encrypted", file, std::filesystem::copy_options::overwrite_existing);
  encrypt("for the archive");
  const Finished wrong = decrypt({"-passin", "pass:wrong"});
  EXPECT_NE(wrong.exit_code, 0);
  EXPECT_NE(wrong.err.find("wrong passphrase"), std::string::npos) << wrong.err;
  done(decrypt({"-passin", "pass:open sesame"}));
  EXPECT_EQ(read_file(work() / "opened"), "for the archive");
  // The public half is for everybody.
  EXPECT_EQ(done(run("pkey", {"-in", kKey, "-pubin", "-pubout"})), read_file(work() / "derive.pub"));
}

}  // namespace
}  // namespace coprotect::harness
