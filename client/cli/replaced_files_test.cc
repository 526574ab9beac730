// No output may replace a file that the command reads, and a report is appended only to reports.

#include <sys/stat.h>

#include <filesystem>

#include "client/cli/test_company.h"

namespace coprotect::client::test {
namespace {

namespace fs = std::filesystem;

class ReplacedFiles : public Company {
 protected:
  // `coprotect decrypt` that asks no agent: it ends earlier, or because there is no configuration.
  Program::Ended decrypt(std::vector<std::string> args) const {
    args.insert(args.begin(), {"decrypt", "--bundle", "acme.bundle"});
    return run(std::move(args));
  }
  void stays(const std::string& file, const std::vector<std::string>& args) const {
    const std::string before = read_file(folder_ / file);
    const auto ended = encrypt(args).run();
    EXPECT_EQ(ended.code, 1) << file;
    EXPECT_NE(ended.err.find("\"" + file + "\" is a file that this command reads"), std::string::npos)
        << ended.err;
    EXPECT_EQ(read_file(folder_ / file), before);
  }
};

TEST_F(ReplacedFiles, AreNoneThatTheCommandReads) {
  write_file(folder_ / "x", "x");
  write_file(folder_ / "policy.json", R"({"version":1})");
  fs::create_hard_link(folder_ / "x", folder_ / "same");
  stays("x", {"x", "-o", "x", "--force"});
  stays("same", {"x", "-o", "same", "--force"});
  stays("acme.bundle", {"x", "-o", "acme.bundle", "--force"});
  stays("policy.json", {"x", "-o", "policy.json", "--policy", "policy.json", "--force"});
  write_file(folder_ / "other", "old");
  EXPECT_EQ(encrypt({"x", "-o", "other", "--force"}).run().code, 0);
  EXPECT_EQ(open_with_shares("other"), "x");
}

// The output of one file is another input of the batch, which would be lost before it is read.
TEST_F(ReplacedFiles, AreNoneOfTheBatch) {
  write_file(folder_ / "a", "a");
  write_file(folder_ / "a.cop", "another");
  const auto ended = encrypt({"a", "a.cop", "--force"}).run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(read_file(folder_ / "a.cop"), "another");
  EXPECT_EQ(open_with_shares("a.cop.cop"), "another");
}

TEST_F(ReplacedFiles, AReportIsAddedToNothingElse) {
  write_file(folder_ / "x", "x");
  ASSERT_EQ(encrypt({"x"}).run().code, 0);
  write_file(folder_ / "acme.kit", "the only copy");
  write_file(folder_ / "notes", "notes");
  const std::string sealed = read_file(folder_ / "x.cop");
  const std::string bundle = read_file(folder_ / "acme.bundle");
  fs::remove(folder_ / "x");
  for (const char* const file : {"acme.kit", "notes", "x.cop", "acme.bundle", "./x"}) {
    const auto ended = decrypt({"--recover", "--kit", "acme.kit", "x.cop", "--report", file});
    EXPECT_EQ(ended.code, 2) << file;
    EXPECT_NE(ended.err.find("report"), std::string::npos) << ended.err;
  }
  EXPECT_EQ(read_file(folder_ / "acme.kit"), "the only copy");
  EXPECT_EQ(read_file(folder_ / "notes"), "notes");
  EXPECT_EQ(read_file(folder_ / "x.cop"), sealed);
  EXPECT_EQ(read_file(folder_ / "acme.bundle"), bundle);
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

// Then the kit is what fails.
TEST_F(ReplacedFiles, AReportIsAddedToAReport) {
  write_file(folder_ / "x.cop", "x");
  write_file(folder_ / "acme.kit", "no kit");
  write_file(folder_ / "empty", "");
  write_file(folder_ / "lines", "{\"path\":\"a.cop\",\"result\":\"done\"}\n");
  write_file(folder_ / "cut", "{\"path\":\"a.c");
  write_file(folder_ / "summary", "{\"summary\":{\"done\":0}}\n");
  for (const char* const file : {"new", "empty", "lines", "cut", "summary", "/dev/null"}) {
    const auto ended = decrypt({"--recover", "--kit", "acme.kit", "x.cop", "--report", file});
    EXPECT_NE(ended.code, 2) << file << ended.err;
    EXPECT_NE(ended.err.find("recovery kit \"acme.kit\""), std::string::npos) << ended.err;
  }
}

}  // namespace
}  // namespace coprotect::client::test
