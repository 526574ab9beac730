#include "agent/custodian/other_life.h"

namespace coprotect::agent::custodian {
namespace {

// The number of answers needed, each from a separate round.
constexpr int kQuietAnswers = 3;

}  // namespace

void OtherLife::visit(const protocol::LogEntry& entry) {
  const bool cut = entry.operation == static_cast<std::uint8_t>(protocol::Recorded::cut_log);
  if (entry.kind != protocol::EntryKind::store || cut) return;
  if (entry.detail.starts_with(kGone) || entry.detail.starts_with(kAccepted))
    trust();
  else
    suspect();
}

void OtherLife::suspect(const std::optional<std::string>& heard_by) {
  const std::lock_guard lock(mutex_);
  suspected_ = true;
  if (heard_by) heard_by_ = heard_by;
  quiet_answers_ = 0;
  counted_ms_ = settings_.steady_ms();
}

bool OtherLife::quiet() {
  const std::lock_guard lock(mutex_);
  if (!suspected_) return false;
  // Answers of one round, from several peers or to a repeated question, count once. Rounds are not exactly
  // `peers_every` apart.
  const std::int64_t now = settings_.steady_ms();
  if (now - counted_ms_ < settings_.peers_every.count() * 3 / 4) return false;
  counted_ms_ = now;
  return ++quiet_answers_ >= kQuietAnswers;
}

void OtherLife::trust() {
  const std::lock_guard lock(mutex_);
  suspected_ = false;
  heard_by_.reset();
}

bool OtherLife::suspected() const {
  const std::lock_guard lock(mutex_);
  return suspected_;
}

Status OtherLife::check() const {
  if (const auto two = seen()) return Error(Code::unavailable, *two);
  if (!suspected()) return Done{};
  return Error(
      Code::unavailable,
      "this agent's store was restored or put back: nothing is erased before other agents have "
      "answered several times, a round of questions apart, that no second agent of its identity runs. If "
      "there is no other agent any more, start it once with --accept-restored");
}

std::optional<std::string> OtherLife::seen() const {
  const std::lock_guard lock(mutex_);
  if (!heard_by_) return std::nullopt;
  return "two agents of one identity run: agent \"" + *heard_by_ +
         "\" says that it hears another one than this; stop the copy. Until it is silent nothing is erased";
}

}  // namespace coprotect::agent::custodian
