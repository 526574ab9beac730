#include "provisioning/log.h"

#include <iostream>

#include "protocol/crypto/hash.h"
#include "provisioning/clock.h"
#include "provisioning/log_format.h"
#include "provisioning/signed_link.h"

namespace coprotect::provisioning {
namespace {

constexpr std::uint16_t kPage = 1000;
constexpr std::chrono::seconds kLogDeadline{60};

Result<protocol::LogReply> fetch_page(SignedLink& link, std::uint64_t from, Random& random) {
  const auto plaintext = link.ask("log", protocol::LogBody{.from = from, .limit = kPage}, "log", random);
  if (!plaintext) return plaintext.error();
  auto reply = protocol::LogReply::parse(plaintext->reveal());
  if (!reply) return std::move(reply).error().in(link.party() + " agent's reply");
  return reply;
}

}  // namespace

LogChecker::LogChecker(std::string party, const protocol::VerifyKey& identity)
    : party_(std::move(party)), identity_(identity) {}

Error LogChecker::altered(std::string_view what) const {
  return {Code::altered, party_ + " agent's log does not verify: " + std::string(what)};
}

Result<bool> LogChecker::take(const protocol::LogReply& page) {
  auto head = protocol::LogHead::parse(page.head);
  if (!head) return altered(head.error().message());
  if (head->identity_key != identity_.bytes())
    return altered("its head is signed by another key than the bundle's");
  if (!goal_) goal_ = *head;
  if (head->seq < goal_->seq) return altered("its head went back");
  if (page.before != chain_)
    return altered("entry " + std::to_string(next()) + " does not follow the one before");
  if (page.lines.empty() && seq_ < goal_->seq)
    return altered("entry " + std::to_string(next()) + " is missing");

  for (const protocol::LogReply::Line& line : page.lines) {
    // What was written since this reader began, its own requests among it, is for the next one to read.
    if (seq_ == goal_->seq) {
      if (head->seq == goal_->seq) return altered("it goes on after its head");
      break;
    }
    if (auto taken = take(line); !taken) return std::move(taken).error();
    if (seq_ > goal_->seq || (seq_ == goal_->seq && chain_ != goal_->chain))
      return altered("an entry was changed, added or left out before entry " + std::to_string(seq_));
  }
  return seq_ == goal_->seq;
}

Status LogChecker::take(const protocol::LogReply::Line& line) {
  const std::uint64_t before = seq_++;
  const std::string here = "entry " + std::to_string(seq_);
  if (line.entry.empty()) {
    ++foreign_;
    chain_ = protocol::chain_next(chain_, line.hash);
    return Done{};
  }
  auto entry = protocol::LogEntry::parse(line.entry);
  if (!entry) return altered(here + ": " + entry.error().message());
  // Numbers are left out only where the agent itself says that they are lost (SPEC.md §7.3).
  const bool says_lost = entry->kind == protocol::EntryKind::store && entry->seq > before;
  if (entry->seq != seq_ && !says_lost) return altered(here + " has another number");
  lost_ += entry->seq - seq_;
  seq_ = entry->seq;
  chain_ = protocol::chain_next(chain_, protocol::sha256(line.entry));
  entries_.push_back(std::move(*entry));
  return Done{};
}

VerifiedLog LogChecker::finish() && {
  invariant(goal_.has_value() && seq_ == goal_->seq);
  return {.party = std::move(party_),
          .head = std::move(*goal_),
          .entries = std::move(entries_),
          .foreign = foreign_,
          .lost = lost_};
}

Result<VerifiedLog> fetch_log(const ClientDirectory& administrator, const protocol::Party& party,
                              Random& random) {
  SignedLink link(administrator.bundle, party, administrator, kLogDeadline);
  LogChecker checker(party.name, party.identity_key);
  for (;;) {
    auto page = fetch_page(link, checker.next(), random);
    if (!page) return std::move(page).error();
    auto complete = checker.take(*page);
    if (!complete) return std::move(complete).error();
    if (*complete) return std::move(checker).finish();
  }
}

Status show_log(const LogOptions& options, Random& random) {
  auto administrator = ClientDirectory::load(options.config);
  if (!administrator) return std::move(administrator).error();
  std::optional<Error> failed;
  bool asked = false;
  for (const protocol::Party& party : administrator->bundle.parameters()->parties) {
    if (!party.is_agent() || (options.party && *options.party != party.name)) continue;
    asked = true;
    auto log = fetch_log(*administrator, party, random);
    if (log) {
      std::cout << (options.json ? log_as_json(*log) : log_as_table(*log));
      continue;
    }
    // A log that does not verify outweighs an agent that cannot be reached.
    if (!failed || failed->code() == Code::unavailable) {
      failed = failed ? Error(log.error().code(), log.error().message() + "; " + failed->message())
                      : std::move(log).error();
    } else {
      failed = Error(failed->code(), failed->message() + "; " + log.error().message());
    }
  }
  if (!asked) return Error(Code::not_found, "the key has no agent \"" + options.party.value_or("") + "\"");
  if (failed) return std::move(*failed);
  return Done{};
}

}  // namespace coprotect::provisioning
