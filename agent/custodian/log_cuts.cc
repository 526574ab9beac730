#include "agent/custodian/log_cuts.h"

#include "agent/custodian/record.h"
#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

// Each attempt reads everything that is to be removed.
constexpr std::int64_t kTryAgainMs = 60'000;

std::string range(std::uint64_t after, std::uint64_t last) {
  return std::to_string(after + 1) + ".." + std::to_string(last);
}

}  // namespace

Status LogCuts::look() {
  const auto request = requests_.newest();
  if (!request) return request.error();
  if (!*request || (done_ && (*request)->seq <= *done_)) return Done{};
  const std::int64_t now = settings_.now_ms();
  if (failed_ && now - failed_ms_ < kTryAgainMs && now >= failed_ms_) return *failed_;
  auto done = carry_out(**request);
  failed_.reset();
  if (done) return done;
  // Code::limited: an agent may be heard at any moment, and checking costs nothing.
  if (done.error().code() != Code::limited) {
    failed_ = done.error();
    failed_ms_ = now;
  }
  return done;
}

Status LogCuts::carry_out(const hsm::LogCutRequest& request) {
  {
    const auto transaction = store_.begin();  // which guards it
    if (!transaction) return transaction.error();
    if (request.seq <= log_.cut_seq()) {
      done_ = log_.cut_seq();
      return Done{};
    }
  }
  if (auto newest = peers_.check(); !newest) return newest;
  const auto heard = peers_.remember(request.seq);
  if (!heard.missing.empty() && !request.unheard)
    return Error(Code::limited, "entries " + range(request.after, request.seq) +
                                    " are in an archive and stay in the log, too, until agent \"" +
                                    heard.missing + "\" was heard to remember the log up to there");
  return remove(request, heard.agents);
}

Status LogCuts::remove(const hsm::LogCutRequest& request, const std::set<protocol::PublicKeyBytes>& heard) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  const std::int64_t now = settings_.now_ms();
  const auto cut = log_.cut(*transaction,
                            {.identity_key = {},
                             .after = request.after,
                             .seq = request.seq,
                             .chain = request.chain,
                             .count = request.count,
                             .archive = request.archive,
                             .time_ms = now,
                             .signature = {}},
                            heard);
  if (!cut) return cut.error();
  auto entry = entry_of(protocol::EntryKind::store, std::string(protocol::kNoTenant), now);
  entry.operation = static_cast<std::uint8_t>(protocol::Recorded::cut_log);
  entry.request_hash = protocol::sha256(*cut);
  entry.detail = "the operator moved entries " + range(request.after, request.seq) +
                 " to an archive with SHA-256 " + to_hex(request.archive);
  if (auto recorded = log_.append(*transaction, std::move(entry)); !recorded) return recorded;
  fault_point("agent-cut-commit");
  if (auto committed = transaction->commit(); !committed) return committed;
  fault_point("agent-cut-committed");
  done_ = request.seq;
  static_cast<void>(store_.checkpoint());  // or the journal stays as large as the removed entries
  return Done{};
}

}  // namespace coprotect::agent::custodian
