// KeyClient with a real coprotect-keyd. The key's agents are unreachable from here. swtpm-tests/integration
// tests both with running agents.

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "client/derivation.h"
#include "client/joint_public_key.h"
#include "client/keyclient/key_client.h"
#include "protocol/dkg/test_ceremony.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::keyhelper {
namespace {

using keyclient::KeyClient;
using protocol::SuiteId;
using std::filesystem::path;

constexpr const char* kPassphrase = "a passphrase";

Bytes to_pem(const protocol::SigningKey& key, const char* passphrase) {
  const Owned<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_PKCS8PrivateKey(
                bio.get(), key.evp(), passphrase == nullptr ? nullptr : EVP_aes_256_cbc(), passphrase,
                passphrase == nullptr ? 0 : static_cast<int>(strlen(passphrase)), nullptr, nullptr),
            1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, data + size};
}

// A client with one key, of purpose derive by default. This process's environment names its configuration.
class HelperTest : public testing::TestWithParam<SuiteId> {
 protected:
  HelperTest() : HelperTest(protocol::Purpose::derive) {}
  explicit HelperTest(protocol::Purpose purpose)
      : ceremony_(GetParam(), layout_for(purpose)), bundle_(ceremony_.run().bundle) {
    write("mail.bundle", bundle_.encoded());
    write("alice.key", to_pem(client_key_, nullptr));
    write("alice.pem", bytes_of(protocol::test::make_certificate("alice", protocol::CertificateUse::client,
                                                                 client_key_, nullptr, client_key_,
                                                                 {"coprotect:acme:user:alice"}, now_ms())
                                    .pem()));
    configure();
    setenv("COPROTECT_CONFIG", (folder() / "config.toml").c_str(), 1);
    std::filesystem::create_symlink(COPROTECT_KEYD, keyd());
    setenv("COPROTECT_KEYD", keyd().c_str(), 1);
  }
  ~HelperTest() override { client_.close(); }

  static std::int64_t now_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  }
  static protocol::test::Layout layout_for(protocol::Purpose purpose) {
    auto layout = protocol::test::default_layout();
    layout.purpose = purpose;
    return layout;
  }
  const path& folder() const { return scratch_.path(); }
  path keyd() const { return folder() / "coprotect-keyd"; }
  void write(const std::string& name, ByteView content) const {
    harness::write_file(folder() / name, text_of(content));
  }
  void configure(const std::string& more = "") const {
    write("config.toml",
          bytes_of("key_id = \"" + to_hex(bundle_.key_id()) +
                   "\"\nbundle = \"mail.bundle\"\ncertificate = \"alice.pem\"\nkey = \"alice.key\"\n"
                   "deadline_seconds = 5\n" +
                   more));
  }
  Result<keyclient::WipedBytes> derive(ByteView peer) {
    return client_.derive({.key_id = bundle_.key_id(), .peer = peer, .shared_info = {}, .size = 32},
                          std::chrono::seconds(5));
  }
  bool lists() {
    const auto keys = client_.list();
    return keys && keys->size() == 1;
  }
  // The helpers of this test, which starts them under its own name.
  std::set<pid_t> helpers() const { return harness::processes_of(keyd()); }
  bool wait_for_helpers(std::size_t count) const { return harness::wait_for_processes(keyd(), count); }

  const protocol::SigningKey client_key_ = protocol::SigningKey::generate(system_random());
  const protocol::test::TestCeremony ceremony_;
  const protocol::Bundle bundle_;
  const harness::Scratch scratch_;
  static inline constinit KeyClient client_;
};
INSTANTIATE_TEST_SUITE_P(Suites, HelperTest, testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(HelperTest, ListsTheConfiguredKeys) {
  const auto keys = client_.list();
  ASSERT_TRUE(keys) << keys.error().message();
  ASSERT_EQ(keys->size(), 1u);
  const keyclient::Key& key = keys->front();
  EXPECT_EQ(key.name, "acme");
  EXPECT_EQ(key.key_id, bundle_.key_id());
  EXPECT_EQ(key.purpose, keyclient::Purpose::derive);
  EXPECT_EQ(static_cast<SuiteId>(key.suite), GetParam());
  EXPECT_FALSE(key.login_needed);
  EXPECT_EQ(key.patience, std::chrono::seconds(5));
  EXPECT_EQ(key.public_key, client::public_value(bundle_));
  EXPECT_EQ(key.prime, client::prime_of(bundle_));
}

TEST_P(HelperTest, HasNoKeysWithoutAConfiguration) {
  std::filesystem::remove(folder() / "config.toml");
  const auto keys = client_.list();
  ASSERT_TRUE(keys) << keys.error().message();
  EXPECT_TRUE(keys->empty());
  configure();
  EXPECT_TRUE(lists());
}

TEST_P(HelperTest, SaysWhatIsWrongWithAConfiguration) {
  configure("nonsense = 1\n");
  const auto keys = client_.list();
  ASSERT_FALSE(keys);
  EXPECT_NE(keys.error().message().find("nonsense"), std::string::npos) << keys.error().message();
  configure();
  EXPECT_TRUE(lists());
}

TEST_P(HelperTest, TellsAPeerThatIsNoneFromAgentsThatAreNotThere) {
  const Bytes good = client::public_value(bundle_);
  auto derived = derive(good);
  ASSERT_FALSE(derived);
  EXPECT_EQ(derived.error().code(), Code::unavailable) << derived.error().message();
  EXPECT_NE(derived.error().message().find("agent"), std::string::npos);
  for (const Bytes& bad : {Bytes(good.size()), Bytes(good.size(), 0xff), Bytes{1}, Bytes{0}}) {
    derived = derive(bad);
    ASSERT_FALSE(derived);
    EXPECT_EQ(derived.error().code(), Code::malformed) << derived.error().message();
  }
  EXPECT_EQ(derive({}).error().code(), Code::malformed);
  EXPECT_EQ(
      client_.derive({.key_id = {}, .peer = good, .shared_info = {}, .size = 32}, std::chrono::seconds(5))
          .error()
          .code(),
      Code::not_found);
}

TEST_P(HelperTest, AsksForThePassphraseOfAnEncryptedKey) {
  write("alice.key", to_pem(client_key_, kPassphrase));
  const auto keys = client_.list();
  ASSERT_TRUE(keys) << keys.error().message();
  EXPECT_TRUE(keys->front().login_needed);
  const Bytes peer = client::public_value(bundle_);
  EXPECT_EQ(derive(peer).error().code(), Code::unauthenticated);
  for (const std::string& wrong : {std::string("wrong"), std::string(), std::string(5'000, 'x')})
    EXPECT_EQ(client_.login(bytes_of(wrong)).error().code(), Code::wrong_code);
  EXPECT_EQ(derive(peer).error().code(), Code::unauthenticated);
  ASSERT_TRUE(client_.login(bytes_of(kPassphrase)));
  EXPECT_EQ(derive(peer).error().code(), Code::unavailable);
  ASSERT_TRUE(client_.logout());
  EXPECT_EQ(derive(peer).error().code(), Code::unauthenticated);
}

TEST_P(HelperTest, GivesTheCertificateOfTheKeyAndRefusesAnothers) {
  ASSERT_TRUE(lists());
  EXPECT_TRUE(must(client_.certificate(bundle_.key_id())).der.empty());
  write("other.pem", bytes_of(protocol::test::make_authority("other", client_key_).pem()));
  configure("encryption_certificate = \"other.pem\"\n");
  const auto keys = client_.list();
  ASSERT_TRUE(keys);
  EXPECT_TRUE(keys->empty());
}

class EnvelopeHelperTest : public HelperTest {
 protected:
  EnvelopeHelperTest() : HelperTest(protocol::Purpose::envelope) {}
};
INSTANTIATE_TEST_SUITE_P(Suites, EnvelopeHelperTest, testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(EnvelopeHelperTest, EncapsulatesAloneAndAsksTheAgentsForTheRest) {
  const auto keys = client_.list();
  ASSERT_TRUE(keys) << keys.error().message();
  const keyclient::Key& key = keys->front();
  const auto made = client_.encapsulate(key);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->bytes.size(), keyclient::encapsulation_size(key.suite));
  EXPECT_EQ(client_.decapsulate(key, made->bytes).error().code(), Code::unavailable);
  Bytes other = made->bytes;
  other[0] ^= 1;
  EXPECT_EQ(client_.decapsulate(key, other).error().code(), Code::malformed);
  EXPECT_EQ(client_.decapsulate(key, Bytes(10)).error().code(), Code::malformed);
  EXPECT_EQ(derive(client::public_value(bundle_)).error().code(), Code::denied);
}

TEST_P(HelperTest, EncapsulatesNothingWithAKeyThatDerives) {
  const auto keys = client_.list();
  ASSERT_TRUE(keys) << keys.error().message();
  const keyclient::Key& key = keys->front();
  EXPECT_EQ(client_.encapsulate(key).error().code(), Code::denied);
  const Bytes any(keyclient::encapsulation_size(key.suite));
  EXPECT_EQ(client_.decapsulate(key, any).error().code(), Code::denied);
}

TEST_P(HelperTest, IsNoChildOfTheProgram) {
  ASSERT_TRUE(lists());
  ASSERT_EQ(helpers().size(), 1u);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_P(HelperTest, EndsWithTheProgramAndWithTheClient) {
  ASSERT_TRUE(lists());
  client_.close();
  EXPECT_TRUE(wait_for_helpers(0));
  const pid_t child = fork();
  if (child == 0) _exit(lists() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(wait_for_helpers(0));
}

TEST_P(HelperTest, IsStartedAgainWhenItDied) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(lists());
    const auto running = helpers();
    ASSERT_EQ(running.size(), 1u);
    kill(*running.begin(), SIGKILL);
    ASSERT_TRUE(wait_for_helpers(0));
  }
  EXPECT_TRUE(lists());
}

TEST_P(HelperTest, GivesAChildOfForkAHelperOfItsOwn) {
  ASSERT_TRUE(lists());
  const pid_t child = fork();
  if (child == 0) {
    if (!lists()) _exit(1);
    _exit(helpers().size() == 2 ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(lists());
  EXPECT_TRUE(wait_for_helpers(1));
}

// Daemons do this, and then open other files under the same numbers.
TEST_P(HelperTest, BearsAProgramThatClosesEveryDescriptor) {
  ASSERT_TRUE(lists());
  const pid_t child = fork();
  if (child == 0) {
    close_range(3, ~0U, 0);
    int pipes[2];
    for (int i = 0; i < 20; ++i)
      if (pipe(pipes) != 0) _exit(1);
    if (!lists()) _exit(2);
    for (int fd = 3; fd < 43; ++fd)
      if (fcntl(fd, F_GETFD) < 0) _exit(3);
    close_range(3, ~0U, 0);
    for (int i = 0; i < 20; ++i)
      if (pipe(pipes) != 0) _exit(4);
    if (!lists()) _exit(5);
    client_.close();
    for (int fd = 3; fd < 43; ++fd)
      if (fcntl(fd, F_GETFD) < 0) _exit(6);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(lists());
}

TEST_P(HelperTest, ServesManyThreadsWhileHelpersDie) {
  std::atomic<bool> over = false;
  std::atomic<int> answered = 0;
  std::thread killer([this, &over, &answered] {
    while (!over) {
      const int before = answered;
      for (const pid_t helper : helpers()) kill(helper, SIGKILL);
      while (!over && answered == before) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i)
      threads.emplace_back([this, &answered] {
        for (int j = 0; j < 20; ++j) answered += lists() ? 1 : 0;
      });
  }
  over = true;
  killer.join();
  EXPECT_GT(answered, 0);
  EXPECT_TRUE(lists() || lists());  // the last helper may have been killed during the first call
  EXPECT_TRUE(wait_for_helpers(1));
}

TEST_P(HelperTest, NamesAHelperThatIsNotThere) {
  setenv("COPROTECT_KEYD", "/nonexistent/coprotect-keyd", 1);
  const auto keys = client_.list();
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code(), Code::internal);
  EXPECT_NE(keys.error().message().find("/nonexistent/coprotect-keyd"), std::string::npos);
  setenv("COPROTECT_KEYD", "/bin/true", 1);
  EXPECT_FALSE(client_.list());
  setenv("COPROTECT_KEYD", keyd().c_str(), 1);
  EXPECT_TRUE(lists());
}

TEST_P(HelperTest, EndsWhenNothingIsAskedForAWhile) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  auto helper = harness::Daemon::spawn({COPROTECT_KEYD, "1"},
                                       {std::string("COPROTECT_CONFIG=") + std::getenv("COPROTECT_CONFIG")},
                                       {{keyclient::kKeydChannel, ends[1]}});
  close(ends[1]);
  EXPECT_FALSE(helper.wait_for_end(std::chrono::milliseconds(500)));
  EXPECT_TRUE(helper.wait_for_end(std::chrono::seconds(10)));
  EXPECT_EQ(send(ends[0], "x", 1, MSG_NOSIGNAL), -1);
  close(ends[0]);
}

TEST_P(HelperTest, IsNotStartedByHand) {
  const auto run = harness::Command(COPROTECT_KEYD).run();
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_NE(run.err.find("started by programs"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace coprotect::keyhelper
