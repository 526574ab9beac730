#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "client/cli/test_company.h"
#include "protocol/message/key_list.h"

namespace coprotect::client::test {
namespace {

namespace fs = std::filesystem;

class Encrypt : public Company {};

class EncryptInMod3072 : public Company {
 protected:
  EncryptInMod3072() : Company(protocol::SuiteId::ffdhe3072) {}
};

TEST_F(Encrypt, MakesAFileThatOpensWithTheShares) {
  for (const std::size_t size : {0u, 1u, 16'384u, 262'144u, 1'000'003u}) {
    write_file(folder_ / "x", some_bytes(size));
    const auto ended = encrypt({"--force", "x"}).run();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out + ended.err, "");
    EXPECT_EQ(open_with_shares("x.cop"), some_bytes(size));
  }
}

TEST_F(EncryptInMod3072, MakesAFileThatOpensWithTheShares) {
  write_file(folder_ / "x", "hello");
  EXPECT_EQ(encrypt({"x"}).run().code, 0);
  EXPECT_EQ(open_with_shares("x.cop"), "hello");
}

TEST_F(Encrypt, KeepsThePermissions) {
  write_file(folder_ / "x", "private");
  fs::permissions(folder_ / "x", fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_EQ(encrypt({"x"}).run().code, 0);
  struct stat made {};
  ASSERT_EQ(stat((folder_ / "x.cop").c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777, 0600u);
}

TEST_F(Encrypt, ReadsAndWritesStreams) {
  Program program = encrypt({"-"});
  program.input = some_bytes(700'000);
  const auto ended = program.run();
  ASSERT_EQ(ended.code, 0) << ended.err;
  write_file(folder_ / "streamed", ended.out);
  EXPECT_EQ(open_with_shares("streamed"), program.input);

  program.args.insert(program.args.end(), {"-o", "named"});
  ASSERT_EQ(program.run().code, 0);
  EXPECT_EQ(open_with_shares("named"), program.input);
}

// In folders whose path is longer than the system accepts.
TEST_F(Encrypt, FailsWhatItCannotLookAtInAFolder) {
  fs::create_directory(folder_ / "tree");
  write_file(folder_ / "tree/x", "hello");
  Fd deepest(open((folder_ / "tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int depth = 0; depth < 25; ++depth) {
    const std::string name(200, 'd');
    ASSERT_EQ(mkdirat(deepest.get(), name.c_str(), 0700), 0);
    deepest = Fd(openat(deepest.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(deepest);
  }
  const auto ended = encrypt({"-r", "tree", "-o", "out"}).run();
  EXPECT_EQ(ended.code, 1) << ended.err;
  EXPECT_NE(ended.err.find("cannot be looked at: File name too long"), std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find("skipped"), std::string::npos) << ended.err;
  EXPECT_EQ(open_with_shares("out/x.cop"), "hello");
}

TEST_F(Encrypt, WritesNothingBinaryToATerminal) {
  write_file(folder_ / "x", "hello");
  Program program = encrypt({"x", "-o", "-"});
  program.output_is_terminal = true;
  const auto ended = program.run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.out, "");
  EXPECT_NE(ended.err.find("binary data is not written to a terminal"), std::string::npos) << ended.err;
}

TEST_F(Encrypt, KeepsExistingFiles) {
  write_file(folder_ / "x", "new");
  write_file(folder_ / "x.cop", "old");
  const auto ended = encrypt({"x"}).run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.err.find("\"x.cop\" exists already"), std::string::npos) << ended.err;
  EXPECT_EQ(read_file(folder_ / "x.cop"), "old");
  EXPECT_EQ(encrypt({"--force", "x"}).run().code, 0);
  EXPECT_EQ(open_with_shares("x.cop"), "new");
}

TEST_F(Encrypt, FinishesTheRestOfABatch) {
  write_file(folder_ / "a", "a");
  write_file(folder_ / "c", "c");
  const auto ended = encrypt({"a", "b", "c"}).run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.err.find("coprotect: error: \"b\": cannot be read: no such file"), std::string::npos)
      << ended.err;
  EXPECT_EQ(open_with_shares("a.cop"), "a");
  EXPECT_EQ(open_with_shares("c.cop"), "c");
}

TEST_F(Encrypt, MirrorsFolders) {
  fs::create_directories(folder_ / "tree/sub");
  write_file(folder_ / "tree/a", "a");
  write_file(folder_ / "tree/sub/b", "b");
  ASSERT_EQ(encrypt({"tree/a", "-o", "tree/c.cop"}).run().code, 0);
  fs::create_symlink("a", folder_ / "tree/link");
  ASSERT_EQ(mkfifo((folder_ / "tree/pipe").c_str(), 0600), 0);
  const auto ended = encrypt({"-r", "tree", "-o", "out"}).run();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(open_with_shares("out/a.cop"), "a");
  EXPECT_EQ(open_with_shares("out/sub/b.cop"), "b");
  EXPECT_FALSE(fs::exists(folder_ / "out/link.cop"));
  EXPECT_FALSE(fs::exists(folder_ / "out/c.cop.cop"));
  EXPECT_NE(ended.err.find("symbolic links are not followed"), std::string::npos);
  EXPECT_NE(ended.err.find("not a regular file"), std::string::npos);
}

// Otherwise it would be missing in the encrypted tree.
TEST_F(Encrypt, FailsForWhatIsCalledEncryptedAndIsNot) {
  fs::create_directories(folder_ / "tree");
  write_file(folder_ / "tree/a", "a");
  write_file(folder_ / "tree/plain.cop", "plain");
  const auto ended = encrypt({"-r", "tree", "-o", "out"}).run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.err.find("error: \"tree/plain.cop\": is not encrypted, though"), std::string::npos)
      << ended.err;
  EXPECT_EQ(open_with_shares("out/a.cop"), "a");
  EXPECT_EQ(encrypt({"tree/plain.cop"}).run().code, 0);
  EXPECT_EQ(open_with_shares("tree/plain.cop.cop"), "plain");
}

TEST_F(Encrypt, FollowsNoLinkBelowTheFoldersThatWereNamed) {
  fs::create_directories(folder_ / "tree/sub");
  fs::create_directories(folder_ / "real");
  fs::create_directories(folder_ / "elsewhere");
  write_file(folder_ / "tree/a", "a");
  write_file(folder_ / "tree/sub/b", "b");
  fs::create_directory_symlink("real", folder_ / "out");
  fs::create_directory_symlink("../elsewhere", folder_ / "real/sub");
  const auto ended = encrypt({"-r", "tree", "-o", "out", "--force"}).run();
  EXPECT_EQ(ended.code, 1) << ended.err;
  EXPECT_NE(ended.err.find("\"tree/sub/b\": \"out/sub\" is a symbolic link, which is not followed"),
            std::string::npos)
      << ended.err;
  EXPECT_EQ(open_with_shares("real/a.cop"), "a");
  EXPECT_TRUE(fs::is_empty(folder_ / "elsewhere"));
}

TEST_F(Encrypt, PutsSeveralIntoAFolder) {
  fs::create_directories(folder_ / "tree");
  write_file(folder_ / "tree/a", "a");
  write_file(folder_ / "x", "x");
  ASSERT_EQ(encrypt({"-r", "tree", "x", "-o", "out"}).run().code, 0);
  EXPECT_EQ(open_with_shares("out/tree/a.cop"), "a");
  EXPECT_EQ(open_with_shares("out/x.cop"), "x");
}

TEST_F(Encrypt, SaysHowItIsUsed) {
  fs::create_directories(folder_ / "tree");
  write_file(folder_ / "x", "x");
  write_file(folder_ / "bad.json", R"({"version":1,"version":1})");
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{},
                                             {"--no-such-option", "x"},
                                             {"tree"},
                                             {"x", "x"},
                                             {"x", "tree", "-o", "-"},
                                             {"-", "-"},
                                             {"x", "--policy", "bad.json"},
                                             {"x", "--policy", "none.json"},
                                             {"x", "--policy", "bad.json", "--allow-user", "alice"},
                                             {"x", "--allow-user", "a b"},
                                             {"x", "--key-id", "12"},
                                             {"x", "-o", "-", "--json"}}) {
    const auto ended = encrypt(args).run();
    EXPECT_EQ(ended.code, 2) << testing::PrintToString(args) << ended.err;
    EXPECT_FALSE(fs::exists(folder_ / "x.cop"));
  }
  EXPECT_EQ(run({"encrypt", "x"}).code, 2);  // neither bundle nor configuration
  EXPECT_EQ(run({}).code, 2);
  EXPECT_EQ(run({"--help"}).code, 0);
}

TEST_F(Encrypt, LeavesNothingWhenTheDiskIsFull) {
  write_file(folder_ / "x", some_bytes(4'000'000));
  const std::size_t before = entries();
  Program program = encrypt({"x"});
  program.max_file_size = std::size_t{2} << 20;  // more than the program needs for its own memory
  const auto ended = program.run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.err.find("cannot be written"), std::string::npos) << ended.err;
  EXPECT_EQ(entries(), before);

  const auto full = encrypt({"x", "-o", "/dev/full"}).run();
  EXPECT_EQ(full.code, 1);
  EXPECT_NE(full.err.find("no space left on device"), std::string::npos) << full.err;
}

TEST_F(Encrypt, LeavesNothingWhenItIsKilled) {
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  const std::size_t before = entries();
  const pid_t child = encrypt({"pipe", "-o", "x.cop"}).start();
  {
    // More than fits into the pipe and the first windows: once it is written, the program is in the middle of
    // its work.
    std::ofstream pipe(folder_ / "pipe", std::ios::binary);
    pipe << some_bytes(4'000'000) << std::flush;
    ASSERT_TRUE(pipe.good());
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
  }
  EXPECT_EQ(entries(), before);
}

TEST_F(Encrypt, UsesNoBundleOfAnotherKey) {
  write_file(folder_ / "x", "x");
  const std::string other(64, 'a');
  const auto by_option = encrypt({"x", "--key-id", other}).run();
  EXPECT_EQ(by_option.code, 3);
  EXPECT_NE(by_option.err.find("not of the pinned key " + other), std::string::npos) << by_option.err;

  write_file(folder_ / "config.toml",
             "key_id = \"" + other + "\"\nbundle = \"acme.bundle\"\ncertificate = \"c\"\nkey = \"k\"\n");
  EXPECT_EQ(run({"encrypt", "x", "--config", "config.toml"}).code, 3);
  EXPECT_EQ(encrypt({"x", "--config", "config.toml"}).run().code, 3);
  Program by_environment = program({"encrypt", "x"});
  by_environment.env["COPROTECT_CONFIG"] = (folder_ / "config.toml").string();
  EXPECT_EQ(by_environment.run().code, 3);
  EXPECT_FALSE(fs::exists(folder_ / "x.cop"));
  EXPECT_EQ(encrypt({"x", "--key-id", to_hex(run_.bundle.key_id())}).run().code, 0);
}

TEST_F(Encrypt, UsesNoAlteredBundle) {
  write_file(folder_ / "x", "x");
  const Bytes& whole = run_.bundle.encoded();
  for (std::size_t i = 3; i < whole.size(); i += whole.size() / 40) {
    Bytes altered = whole;
    altered[i] ^= 1;
    write_file(folder_ / "acme.bundle", text_of(altered));
    EXPECT_EQ(encrypt({"x"}).run().code, 5) << "byte " << i;
  }
  EXPECT_FALSE(fs::exists(folder_ / "x.cop"));
}

// What the client learnt about its company's keys is beside its configuration.
class EncryptWithAKeyList : public Company {
 protected:
  EncryptWithAKeyList() {
    write_file(folder_ / "x", "x");
    write_file(
        folder_ / "config.toml",
        "key_id = \"" + to_hex(first()) + "\"\nbundle = \"acme.bundle\"\ncertificate = \"c\"\nkey = \"k\"\n");
    fs::create_directory(folder_ / "keys");
    write_file(folder_ / "keys" / (to_hex(next()) + ".bundle"), text_of(next_.bundle.encoded()));
  }
  protocol::KeyId first() const { return run_.bundle.key_id(); }
  protocol::KeyId next() const { return next_.bundle.key_id(); }
  void put_list(std::vector<protocol::KeyList::Entry> keys) const {
    const protocol::KeyList list{.tenant = "acme", .serial = 1, .time_ms = 1, .keys = std::move(keys)};
    write_file(folder_ / "acme.keys", text_of(list.sign(ceremony_.client_ca_key)));
  }
  Program::Ended encrypt_configured(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args = {"encrypt", "x", "--force", "--config", "config.toml"};
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  }
  protocol::KeyId key_of_file() const {
    auto input = must(Input::open(folder_ / "x.cop"));
    return must(read_header(input)).stanzas().front().key_id;
  }

  const protocol::test::TestCeremony::Run next_{
      protocol::test::TestCeremony(ceremony_, protocol::test::default_layout()).run()};
};

TEST_F(EncryptWithAKeyList, TakesTheKeyThatEncrypts) {
  using protocol::KeyUse;
  ASSERT_EQ(encrypt_configured().code, 0);
  EXPECT_EQ(key_of_file(), first()) << "there is no list";
  put_list({{next(), KeyUse::encrypts, 1}, {first(), KeyUse::decrypt_only, 1}});
  const auto newest = encrypt_configured();
  ASSERT_EQ(newest.code, 0) << newest.err;
  EXPECT_EQ(key_of_file(), next());

  const auto old = encrypt_configured({"--key-id", to_hex(first())});
  EXPECT_EQ(old.code, 3);
  EXPECT_NE(old.err.find("the key list says \"decrypt-only\""), std::string::npos) << old.err;
  EXPECT_EQ(encrypt_configured({"--bundle", "acme.bundle"}).code, 3);
  EXPECT_EQ(encrypt_configured({"--key-id", to_hex(next())}).code, 0);
}

TEST_F(EncryptWithAKeyList, RefusesIfNoKeyEncrypts) {
  put_list({{first(), protocol::KeyUse::disabled, 1}});
  const auto refused = encrypt_configured();
  EXPECT_EQ(refused.code, 3);
  EXPECT_NE(refused.err.find("no key of \"acme\" encrypts"), std::string::npos) << refused.err;
  write_file(folder_ / "acme.keys", "not a list");
  EXPECT_EQ(encrypt_configured().code, 5);
  EXPECT_FALSE(fs::exists(folder_ / "x.cop"));
}

}  // namespace
}  // namespace coprotect::client::test
