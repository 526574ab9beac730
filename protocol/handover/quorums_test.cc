#include "protocol/handover/quorums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>

#include "protocol/handover/test_handover.h"

namespace coprotect::protocol {
namespace {

OrganisationPart part(std::uint8_t organisation, OrganisationKind kind = OrganisationKind::agent) {
  OrganisationPart made{.organisation = {}, .kind = kind};
  made.organisation[0] = organisation;
  return made;
}

// All layouts with this number of parts, of 0 to `most` shares each, and every threshold.
std::vector<PartShares> layouts(std::size_t parts, std::size_t most) {
  std::vector<PartShares> all;
  std::vector<std::size_t> counts(parts);
  for (;;) {
    std::size_t n = 0;
    PartShares layout;
    for (std::size_t i = 0; i < parts; ++i) {
      n += counts[i];
      if (counts[i] != 0) layout.shares.emplace(part(static_cast<std::uint8_t>(i)), counts[i]);
    }
    for (layout.t = 1; layout.t <= n; ++layout.t) all.push_back(layout);
    std::size_t place = 0;
    while (place < parts && counts[place] == most) counts[place++] = 0;
    if (place == parts) return all;
    ++counts[place];
  }
}

// By the definition: every set of t indices as the parts that hold them, and the minimal ones among these.
std::set<OrganisationQuorum> by_definition(const PartShares& layout) {
  std::vector<OrganisationPart> holder;
  for (const auto& [held_by, count] : layout.shares) holder.insert(holder.end(), count, held_by);
  std::set<OrganisationQuorum> all;
  for (std::uint32_t set = 0; set < std::uint32_t{1} << holder.size(); ++set) {
    if (static_cast<std::size_t>(std::popcount(set)) != layout.t) continue;
    OrganisationQuorum quorum;
    for (std::size_t i = 0; i < holder.size(); ++i)
      if ((set >> i & 1u) != 0) quorum.insert(holder[i]);
    all.insert(quorum);
  }
  std::set<OrganisationQuorum> minimal;
  for (const auto& quorum : all)
    if (std::ranges::none_of(
            all, [&](const auto& other) { return other != quorum && std::ranges::includes(quorum, other); }))
      minimal.insert(quorum);
  return minimal;
}

bool holds_one_of(const OrganisationQuorum& parts, const std::set<OrganisationQuorum>& quorums) {
  return std::ranges::any_of(quorums,
                             [&](const auto& quorum) { return std::ranges::includes(parts, quorum); });
}

TEST(Quorums, AreThoseOfTheDefinitionInEveryLayout) {
  for (std::size_t parts = 1; parts <= 4; ++parts)
    for (const PartShares& layout : layouts(parts, 2))
      EXPECT_EQ(minimal_quorums(layout), by_definition(layout)) << parts << " t=" << layout.t;
}

// A set of parts that can use the key after a change, but could not before, contains a gained quorum, and
// only such a set does.
TEST(Quorums, GainedAndLostSayWhoCanUseTheKeyNow) {
  constexpr std::size_t kParts = 3;
  const auto all = layouts(kParts, 2);
  for (const PartShares& now : all) {
    for (const PartShares& next : all) {
      const QuorumChange change = quorum_change(now, next);
      const auto before = by_definition(now);
      const auto after = by_definition(next);
      ASSERT_EQ(change.after, after);
      for (std::uint32_t set = 1; set < 1u << kParts; ++set) {
        OrganisationQuorum parts;
        for (std::uint8_t i = 0; i < kParts; ++i)
          if ((set >> i & 1u) != 0) parts.insert(part(i));
        const bool could = holds_one_of(parts, before);
        const bool can = holds_one_of(parts, after);
        if (can && !could) {
          ASSERT_TRUE(holds_one_of(parts, change.gained));
        }
        if (could && !can) {
          ASSERT_TRUE(holds_one_of(parts, change.lost));
        }
      }
      for (const auto& quorum : change.gained) ASSERT_FALSE(holds_one_of(quorum, before));
      for (const auto& quorum : change.lost) ASSERT_FALSE(holds_one_of(quorum, after));
    }
  }
}

TEST(Quorums, AnAgentAndARecoveryCodeOfOneOrganisationAreTwoParts) {
  const PartShares layout{.shares = {{part(1), 1}, {part(2), 1}, {part(2, OrganisationKind::recovery), 1}},
                          .t = 2};
  EXPECT_EQ(minimal_quorums(layout).size(), 3u);
}

// This many parts with one share each.
PartShares equal_parts(std::uint8_t parts, std::size_t t) {
  PartShares layout{.shares = {}, .t = t};
  for (std::uint8_t i = 0; i < parts; ++i) layout.shares.emplace(part(i), 1);
  return layout;
}

// 16 organisations and t = 8 have 12870. They are neither counted nor shown in full.
TEST(Quorums, AreNotCountedFurtherThanPeopleRead) {
  for (const std::size_t parts : {8u, 9u, 16u, 255u}) {
    const PartShares many = equal_parts(static_cast<std::uint8_t>(parts), parts / 2);
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(minimal_quorums(many).size(), kMaxQuorums + 1) << parts;
    EXPECT_FALSE(check_quorum_count(many)) << parts;
    EXPECT_EQ(check_quorum_count(many).error().code(), Code::denied);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(200)) << parts;
  }
  EXPECT_EQ(minimal_quorums(equal_parts(8, 3)).size(), 56u);
  EXPECT_TRUE(check_quorum_count(equal_parts(8, 3)));
  EXPECT_TRUE(check_quorum_count(equal_parts(16, 16)));
  EXPECT_TRUE(check_quorum_count(equal_parts(16, 0)));
  const QuorumChange change = quorum_change(equal_parts(16, 8), equal_parts(2, 2));
  EXPECT_TRUE(change.more_lost);
  EXPECT_FALSE(quorum_change(equal_parts(8, 3), equal_parts(2, 2)).more_lost);
}

class PlanInWords : public testing::Test {
 protected:
  const Sharing& now() const { return key.bundle.sharing(); }
  std::string allowed(const test::TestHandover& next) const {
    return allowance(now().parameters, next.plan->parameters);
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
  static std::string hex(const SigningKey& organisation) {
    return to_hex(organisation_fingerprint(organisation.public_key().bytes()));
  }
  test::TestKey key = test::TestKey::generate(SuiteId::p256);
};

TEST_F(PlanInWords, RefreshNewCodeAndReplacedAgentsOfOneOrganisationAreNoNews) {
  EXPECT_EQ(allowed(test::TestHandover(key, test::default_layout(), {1, 2})), "");
  EXPECT_EQ(allowed(test::TestHandover(key, test::default_layout(), {1, 2}, true)), "");
  const test::Layout replaced{2, {{"cloud-b", {1}}, {"company", {2}}, {"recovery", {3}}}};
  EXPECT_EQ(allowed(test::TestHandover(key, replaced, {1, 2})), "");
  // More shares for every party, and a threshold raised by as many.
  const test::Layout doubled{
      3, {{"cloud", {1}}, {"company", {2}}, {"cloud-b", {3}}, {"company-b", {4}}, {"recovery", {5}}}};
  EXPECT_EQ(allowed(test::TestHandover(key, doubled, {1, 2})), "");
}

// Cloud, cloud-b and company with t = 2: the provider could decrypt alone.
TEST_F(PlanInWords, TheProviderAloneIsNews) {
  const test::Layout layout{2, {{"cloud", {1}}, {"cloud-b", {2}}, {"company", {3}}, {"recovery", {4}}}};
  const test::TestHandover next(key, layout, {1, 2});
  EXPECT_EQ(allowed(next), "agent of provider alone");
  const std::string text = must(plan_in_words(now(), next.plan)).text;
  EXPECT_TRUE(contains(text, "NEW: agent of provider alone")) << text;
  EXPECT_TRUE(contains(text, "cloud-b [1] (index 2): JOINS: proves no share of the present epoch")) << text;
  EXPECT_FALSE(contains(text, "UNKNOWN")) << text;
}

// The same agents, but cloud-b presents the certificate of an unknown organisation.
TEST_F(PlanInWords, AnUnknownOrganisationIsNamedByItsWholeFingerprint) {
  test::Layout layout{2, {{"cloud", {1}}, {"cloud-b", {2}}, {"company", {3}}, {"recovery", {4}}}};
  layout.organisations = {{"cloud-b", "company "}};  // it calls itself almost what another one is called
  const test::TestHandover next(key, layout, {1, 2});
  const std::string stranger = "agent of unknown organisation " + hex(key.organisations.at("company "));
  const std::string allowed_text = allowed(next);
  EXPECT_TRUE(contains(allowed_text, stranger)) << allowed_text;
  EXPECT_TRUE(contains(allowed_text, "and ")) << allowed_text;
  const std::string text = must(plan_in_words(now(), next.plan)).text;
  EXPECT_TRUE(contains(text, "\"company \", UNKNOWN organisation")) << text;
  // Two agents of the company's own, certified by its CA, are known.
  EXPECT_TRUE(contains(text, "the company: its client CA")) << text;
}

TEST_F(PlanInWords, ItSaysWhoLeavesWhoMovesAndThatTheCodeIsNew) {
  test::Layout layout{2, {{"company", {1}}, {"cloud-b", {2}}, {"recovery", {3}}}};
  layout.urls = {{"company", "https://elsewhere.example:1"}};
  const test::TestHandover next(key, layout, {1, 2}, true);
  const std::string text = must(plan_in_words(now(), next.plan)).text;
  EXPECT_TRUE(contains(text, "cloud: LEAVES, identity ")) << text;
  EXPECT_TRUE(contains(text, "MOVES, from https://company.example:8443")) << text;
  EXPECT_TRUE(contains(text, "a NEW recovery code")) << text;
  EXPECT_TRUE(contains(text, "recovery key: NEW, ")) << text;
  EXPECT_TRUE(contains(text, "dealers: cloud (index 1) company (index 2)")) << text;
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~'));
}

// A loss that a plan causes is not a new quorum, but has to be confirmed, too.
TEST_F(PlanInWords, TheLossOfRecoveryOrOfReserveIsNews) {
  const test::Layout without_recovery{2, {{"cloud", {1}}, {"company", {2}}, {"company-b", {3}}}};
  const test::TestHandover first(key, without_recovery, {1, 2});
  EXPECT_EQ(allowed(first), "agent of company alone; no recovery code");
  const test::Layout all_needed{3, {{"cloud", {1}}, {"company", {2}}, {"recovery", {3}}}};
  const test::TestHandover next(key, all_needed, {1, 2});
  EXPECT_EQ(allowed(next), "the loss of one holder loses the key");
  const std::string text = must(plan_in_words(now(), next.plan)).text;
  EXPECT_TRUE(contains(text, "NEWS: the loss of one holder loses the key")) << text;
  EXPECT_TRUE(contains(text, "these can use the key today, and cannot then")) << text;
}

// This many unknown parties, each with its own organisation.
test::Layout strangers(std::uint8_t count, std::uint8_t t) {
  test::Layout layout{t, {}};
  for (std::uint8_t i = 1; i <= count; ++i) {
    const std::string name = "agent-" + std::to_string(i);
    layout.parties.push_back({name, {i}});
    layout.organisations.emplace(name, "organisation " + std::to_string(i));
  }
  return layout;
}

TEST_F(PlanInWords, MoreThanAPersonReadsIsRefused) {
  const test::TestHandover many(key, strangers(9, 5), {1, 2});  // 126 quorums
  const auto refused = plan_in_words(now(), many.plan);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::denied);
  EXPECT_TRUE(contains(refused.error().message(), "more than 64 quorums")) << refused.error().message();
  // 55 quorums, whose text is longer than the limit.
  const test::TestHandover wordy(key, strangers(11, 9), {1, 2});
  const auto too_long = plan_in_words(now(), wordy.plan);
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code(), Code::denied);
  EXPECT_TRUE(contains(too_long.error().message(), "bytes of words")) << too_long.error().message();
  const test::TestHandover readable(key, strangers(8, 3), {1, 2});  // 56
  EXPECT_LE(must(plan_in_words(now(), readable.plan)).text.size(), kMaxWords);
  EXPECT_EQ(must(plan_in_words(now(), readable.plan)).news, allowed(readable));
}

// A name must not end its quotes and continue as the tool's text.
TEST_F(PlanInWords, NamesStayInTheirQuotes) {
  test::Layout layout{2, {{"cloud-b", {1}}, {"company", {2}}, {"recovery", {3}}}};
  layout.organisations = {{"cloud-b", "x\", the company: its client CA\\"}};
  const test::TestHandover next(key, layout, {1, 2});
  const std::string text = must(plan_in_words(now(), next.plan)).text;
  EXPECT_TRUE(contains(text, "\"x\\\", the company: its client CA\\\\\", UNKNOWN")) << text;
}

}  // namespace
}  // namespace coprotect::protocol
