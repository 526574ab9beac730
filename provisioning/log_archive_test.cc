#include "provisioning/log_archive.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "protocol/base/test_must.h"
#include "provisioning/log_format.h"
#include "provisioning/test_log.h"
#include "provisioning/test_tenant.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

// A log whose beginning is in archives.
class CutLog : public TestLog {
 protected:
  LogReply page_after(std::uint64_t cut, std::size_t from, const protocol::SigningKey& signer) const {
    LogReply reply = page(from, 5, 5);
    reply.cut = protocol::LogCut::sign({.identity_key = {},
                                        .after = 0,
                                        .seq = cut,
                                        .chain = chain(cut),
                                        .count = cut,
                                        .archive = Digest{7},
                                        .time_ms = 1'800'000'000'000,
                                        .signature = {}},
                                       signer)
                    .encode();
    return reply;
  }
  LogReply page_after(std::uint64_t cut) const { return page_after(cut, cut + 1, identity_); }
  // Entries first..last, in a file.
  std::filesystem::path archive(std::size_t first, std::size_t last, const protocol::SigningKey& signer) {
    const protocol::LogArchive archive{.identity_key = signer.public_key().bytes(),
                                       .after = first - 1,
                                       .before = chain(first - 1),
                                       .count = last - first + 1};
    const auto file = scratch_ / ("archive-" + std::to_string(++archives_));
    auto to = must(ArchiveFile::create(file));
    must(to.write(archive.header()));
    for (std::size_t i = first; i <= last; ++i) must(to.write(protocol::LogArchive::line(lines_[i - 1])));
    must(to.write(LogHead::sign(last, 1'800'000'000'000, chain(last), signer).encode()));
    must(to.keep());
    return file;
  }
  std::filesystem::path archive(std::size_t first, std::size_t last) {
    return archive(first, last, identity_);
  }
  static Code code(const Error& error) { return error.code(); }

  harness::Scratch scratch_;
  int archives_ = 0;
};

TEST_F(CutLog, BeginsWithTheSignedCut) {
  auto all = checker();
  EXPECT_TRUE(*all.take(page_after(3)));
  const VerifiedLog log = std::move(all).finish();
  EXPECT_EQ(log.entries.size(), 2u);
  ASSERT_TRUE(log.cut);
  EXPECT_EQ(log.cut->seq, 3u);
  EXPECT_NE(log_as_table(log).find("entries up to 3 are in archives"), std::string::npos);
  EXPECT_NE(log_as_json(log).find(R"("cut":{"seq":3,)"), std::string::npos) << log_as_json(log);
}

TEST_F(CutLog, IsNotBelievedWithoutTheAgentsSignature) {
  expect_altered(page(4, 5, 5));  // like a truncated log
  expect_altered(page_after(3, 4, protocol::SigningKey::generate(system_random())));
  LogReply changed = page_after(3);
  changed.cut[60] ^= 1;
  expect_altered(changed);
  LogReply longer = page_after(3);
  longer.cut.push_back(0);
  expect_altered(longer);
  // Entries that do not follow the cut, or precede it.
  expect_altered(page_after(3, 5, identity_));
  expect_altered(page_after(3, 3, identity_));
  expect_altered(page_after(5, 5, identity_));
}

TEST_F(CutLog, GoesOnFromWhereItWasReadBefore) {
  const auto reading = [&](std::size_t read) {
    return LogChecker("cloud", identity_.public_key(), {must(LogHead::parse(head(read)))});
  };
  for (const std::size_t read : {3u, 4u}) {
    auto since = reading(read);
    EXPECT_TRUE(*since.take(page_after(3)));
    const VerifiedLog since_then = std::move(since).finish();
    EXPECT_TRUE(since_then.not_compared.empty());
    EXPECT_EQ(since_then.compared.size(), 1u);
  }
  auto before = reading(2);
  EXPECT_TRUE(*before.take(page_after(3)));
  const VerifiedLog log = std::move(before).finish();
  ASSERT_EQ(log.not_compared.size(), 1u);
  EXPECT_EQ(log.not_compared[0].seq, 2u);
  EXPECT_NE(log_as_table(log).find("needed to compare entry 2"), std::string::npos) << log_as_table(log);
  // Another history, up to the cut and after it.
  for (const std::size_t read : {3u, 4u}) {
    LogChecker forked("cloud", identity_.public_key(),
                      {LogHead::sign(read, 1'800'000'000'000, Digest{9}, identity_)});
    EXPECT_EQ(forked.take(page_after(3)).error().code(), Code::altered);
  }
}

// A head that could not be compared can still be compared when the archive is available.
TEST_F(CutLog, KeepsTheHeadThatItCouldNotCompare) {
  const ReadHeads heads(scratch_.path() / "config.toml");
  const TestTenant tenant;
  protocol::Party party = tenant.bundle.parameters()->parties[0];
  party.identity_key = identity_.public_key();
  const Bytes read = head(2);
  LogChecker before("cloud", identity_.public_key(), {must(LogHead::parse(read))});
  ASSERT_TRUE(*before.take(page_after(3)));
  std::ostringstream out;
  ASSERT_TRUE(show_and_keep(out, std::move(before).finish(), false, heads, party));
  EXPECT_EQ(must(heads.of(party))->seq, 5u);
  const auto aside = client::read_small_file(heads.file_of(party).string() + "-at-2", 1000);
  ASSERT_TRUE(aside);
  EXPECT_EQ(*aside, read);

  const auto kept = must(heads.all_of(party));
  EXPECT_EQ(kept.size(), 2u);
  // Without the archive it stays aside.
  LogChecker again("cloud", identity_.public_key(), kept);
  ASSERT_TRUE(*again.take(page_after(3)));
  ASSERT_TRUE(show_and_keep(out, std::move(again).finish(), false, heads, party));
  EXPECT_EQ(must(heads.all_of(party)).size(), 2u);
  // It is removed once the archive has shown that it fits.
  LogChecker with("cloud", identity_.public_key(), kept);
  must(with.take_archive(archive(1, 3), "acme"));
  ASSERT_TRUE(*with.take(page(4, 5, 5)));
  ASSERT_TRUE(show_and_keep(out, std::move(with).finish(), false, heads, party));
  const auto left = must(heads.all_of(party));
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].seq, 5u);
}

// A head that was put aside is evidence of a history that was rewritten before a cut.
TEST_F(CutLog, IsComparedWithEveryHeadThatWasKept) {
  const auto newest = must(LogHead::parse(head(5)));
  const auto forked = LogHead::sign(2, 1'800'000'000'000, Digest{9}, identity_);
  LogChecker fork("cloud", identity_.public_key(), {newest, forked});
  EXPECT_EQ(code(fork.take_archive(archive(1, 3), "acme").error()), Code::altered);
  LogChecker shorter("cloud", identity_.public_key(), {newest, forked});
  EXPECT_EQ(shorter.take(page(1, 4, 4)).error().code(), Code::altered);
}

// Archives that begin later leave a gap. Heads in the gap are kept.
TEST_F(CutLog, SaysWhatItDidNotReadWithoutTheFirstArchive) {
  const auto later = archive(3, 3);
  LogChecker before("cloud", identity_.public_key(), {must(LogHead::parse(head(1)))});
  must(before.take_archive(later, "acme"));
  EXPECT_TRUE(*before.take(page(4, 5, 5)));
  const VerifiedLog log = std::move(before).finish();
  ASSERT_EQ(log.not_compared.size(), 1u);
  EXPECT_EQ(log.not_compared[0].seq, 1u);
  EXPECT_EQ(log.not_read, 2u);
  const std::string table = log_as_table(log);
  EXPECT_NE(table.find("entries up to 2 were not read"), std::string::npos) << table;
  EXPECT_NE(table.find("needed to compare entry 1,"), std::string::npos) << table;
  const std::string json = log_as_json(log);
  EXPECT_NE(json.find(R"("not_read":2,"compared":false)"), std::string::npos) << json;

  // One that ends where the archive begins is compared.
  LogChecker same("cloud", identity_.public_key(), {must(LogHead::parse(head(2)))});
  must(same.take_archive(later, "acme"));
  EXPECT_TRUE(*same.take(page(4, 5, 5)));
  EXPECT_TRUE(std::move(same).finish().not_compared.empty());
  LogChecker fork("cloud", identity_.public_key(),
                  {LogHead::sign(2, 1'800'000'000'000, Digest{9}, identity_)});
  EXPECT_EQ(code(fork.take_archive(later, "acme").error()), Code::altered);
}

// The first of them was not what the agent cut, or a backup was restored in between.
TEST_F(CutLog, TakesTheLongerOfTwoArchivesThatBeginAtOnePlace) {
  const TestTenant tenant;
  protocol::Party party = tenant.bundle.parameters()->parties[0];
  party.identity_key = identity_.public_key();
  const auto shorter = archive(1, 2);
  const auto longer = archive(1, 3);
  const auto within = archive(2, 3);
  const auto onward = archive(3, 4);
  const std::vector<std::filesystem::path> chosen{longer, onward};
  EXPECT_EQ(must(archives_of(party, {shorter, onward, longer, within})), chosen);
  EXPECT_EQ(must(archives_of(party, {longer, shorter, within, onward, longer})), chosen);
  auto all = checker();
  for (const auto& file : chosen) must(all.take_archive(file, "acme"));
  EXPECT_EQ(all.next(), 5u);
  EXPECT_TRUE(*all.take(page(5, 5, 5)));
  EXPECT_EQ(std::move(all).finish().entries.size(), 5u);

  lines_[0] = lines_[4];
  auto entry = *LogEntry::parse(lines_[0].entry);
  entry.seq = 1;
  lines_[0] = {entry.encode(), protocol::sha256(entry.encode())};
  const auto forked = archive(1, 2);
  for (const auto& given :
       {std::vector{forked, longer}, std::vector{longer, forked}, std::vector{forked, shorter}})
    EXPECT_EQ(code(archives_of(party, given).error()), Code::altered);
  const auto forked_on = archive(2, 4);
  auto fork = checker();
  must(fork.take_archive(longer, "acme"));
  EXPECT_EQ(code(fork.take_archive(forked_on, "acme").error()), Code::altered);
}

TEST_F(CutLog, IsCutOnlyAtItsBeginning) {
  auto paged = checker();
  EXPECT_FALSE(*paged.take(page(1, 1, 5)));
  EXPECT_EQ(paged.take(page_after(3)).error().code(), Code::unavailable);  // while it was read
  auto back = checker();
  LogReply first = page_after(3);
  first.lines.pop_back();
  EXPECT_FALSE(*back.take(first));
  LogReply next = page_after(3);
  next.before = chain(4);
  next.lines.erase(next.lines.begin());
  EXPECT_EQ(back.take(next).error().code(), Code::altered);
}

TEST_F(CutLog, IsOneChainWithItsArchives) {
  auto all = checker();
  must(all.take_archive(archive(1, 2), "acme"));
  must(all.take_archive(archive(3, 3), "acme"));
  EXPECT_EQ(all.next(), 4u);
  EXPECT_TRUE(*all.take(page(4, 5, 5)));
  const VerifiedLog log = std::move(all).finish();
  EXPECT_EQ(log.entries.size(), 5u);
  EXPECT_EQ(log.archived, 3u);
  EXPECT_FALSE(log.cut);
  EXPECT_NE(log_as_table(log).find("entries up to 3 are from archives"), std::string::npos);
  std::istringstream text(log_as_json(log));
  std::string line;
  for (int seq = 1; std::getline(text, line) && seq <= 5; ++seq)
    EXPECT_EQ(nlohmann::json::parse(line)["archived"], seq <= 3);
  // Compared with earlier heads that are within an archive.
  LogChecker read("cloud", identity_.public_key(),
                  {LogHead::sign(2, 1'800'000'000'000, Digest{9}, identity_)});
  EXPECT_EQ(code(read.take_archive(archive(1, 3), "acme").error()), Code::altered);
}

TEST_F(CutLog, ShowsNoOtherTenantsEntriesOfAnArchive) {
  auto all = checker();
  must(all.take_archive(archive(1, 3), "globex"));
  EXPECT_TRUE(*all.take(page(4, 5, 5)));
  const VerifiedLog log = std::move(all).finish();
  EXPECT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.foreign, 3u);
}

// Whoever can write the file hides accesses behind their hashes: the chain and the signed head still hold.
TEST_F(CutLog, TakesNoArchiveOfHashesThatTheAgentDidNotSign) {
  const auto before = lines_;
  lines_[1].entry.clear();
  const auto file = archive(1, 3);
  lines_ = before;
  const auto checked = [&](const LogReply& rest) {
    auto all = checker();
    must(all.take_archive(file, "acme"));
    EXPECT_TRUE(*all.take(rest));
    return all.check_archives();
  };
  const auto refused = checked(page(4, 5, 5));
  ASSERT_FALSE(refused);
  EXPECT_EQ(code(refused.error()), Code::altered);
  auto whole = checker();
  must(whole.take_archive(archive(1, 3), "acme"));
  EXPECT_TRUE(*whole.take(page(4, 5, 5)));
  EXPECT_TRUE(whole.check_archives());
}

TEST_F(CutLog, IsNotOneChainWithAnotherArchive) {
  auto missing = checker();
  must(missing.take_archive(archive(1, 2), "acme"));
  EXPECT_EQ(code(missing.take_archive(archive(4, 4), "acme").error()), Code::conflict);
  auto last_missing = checker();
  must(last_missing.take_archive(archive(1, 2), "acme"));
  const auto taken = last_missing.take(page_after(3));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), Code::not_found);
  EXPECT_NE(taken.error().message().find("the archive of entries 3..3 is missing"), std::string::npos);

  auto others = checker();
  const auto other = protocol::SigningKey::generate(system_random());
  EXPECT_EQ(code(others.take_archive(archive(1, 2, other), "acme").error()), Code::altered);
  EXPECT_EQ(code(others.take_archive(scratch_ / "none", "acme").error()), Code::not_found);

  // A changed entry, with everything adapted except the agent's signature.
  const auto file = archive(1, 3);
  auto content = must(client::read_small_file(file, 1 << 20));
  content[120] ^= 1;
  std::filesystem::remove(file);
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  auto changed = checker();
  EXPECT_EQ(code(changed.take_archive(file, "acme").error()), Code::altered);

  // A complete archive of another history.
  auto lines = lines_;
  auto entry = *LogEntry::parse(lines_[0].entry);
  entry.reason = "another";
  lines_[0] = {entry.encode(), protocol::sha256(entry.encode())};
  const auto forked = archive(1, 3);
  lines_ = lines;
  auto fork = checker();
  must(fork.take_archive(forked, "acme"));
  EXPECT_EQ(fork.take(page(4, 5, 5)).error().code(), Code::altered);
}

TEST_F(CutLog, AnArchiveTakesNoOtherFilesPlace) {
  const auto file = archive(1, 2);
  const auto again = ArchiveFile::create(file);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Code::conflict);
  {
    auto dropped = must(ArchiveFile::create(scratch_ / "dropped"));
    must(dropped.write(Bytes(10)));
    auto late = must(ArchiveFile::create(scratch_ / "late"));
    std::ofstream(scratch_ / "late") << "another's";
    EXPECT_EQ(code(late.keep().error()), Code::conflict);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch_.path()), {}), 2);
}

}  // namespace
}  // namespace coprotect::provisioning
