#include "provisioning/log_format.h"

#include <algorithm>
#include <array>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "protocol/base/text.h"
#include "protocol/file/policy.h"
#include "provisioning/clock.h"

namespace coprotect::provisioning {
namespace {

using protocol::LogEntry;

std::string action_text(std::uint8_t action) {
  if (action < static_cast<std::uint8_t>(protocol::Action::view) ||
      action > static_cast<std::uint8_t>(protocol::Action::recover))
    return "-";
  return std::string(protocol::action_name(static_cast<protocol::Action>(action)));
}

// The identity without its scheme and tenant, which are the same in every line.
std::string short_client(const LogEntry& entry) {
  const std::string prefix = "coprotect:" + entry.tenant + ":";
  return printable(entry.client.starts_with(prefix) ? std::string_view(entry.client).substr(prefix.size())
                                                    : entry.client);
}

std::string why(const LogEntry& entry) {
  std::string text = entry.reason.empty() ? "" : "\"" + printable(entry.reason) + "\"";
  if (!entry.detail.empty()) text += (text.empty() ? "" : " ") + printable(entry.detail);
  return text;
}

constexpr std::size_t kColumns = 9;
using Row = std::array<std::string, kColumns>;

Row row_of(const LogEntry& entry) {
  return {std::to_string(entry.seq),
          utc_text(entry.time_ms),
          std::string(protocol::entry_kind_name(entry.kind)),
          short_client(entry),
          action_text(entry.action),
          entry.items.empty() ? "-" : std::to_string(entry.items.size()),
          printable(entry.outcome),
          to_hex(entry.request_id).substr(0, 8),
          why(entry)};
}

}  // namespace

std::string log_as_table(const VerifiedLog& log) {
  std::vector<Row> rows = {
      {"no", "time", "entry", "client", "action", "items", "outcome", "request", "reason and detail"}};
  std::ranges::transform(log.entries, std::back_inserter(rows), row_of);
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows)
    for (std::size_t column = 0; column < kColumns; ++column)
      widths[column] = std::max(widths[column], row[column].size());

  std::ostringstream text;
  text << log.party << ": " << log.head.seq << " entries, chain and signature verified up to "
       << utc_text(log.head.time_ms);
  if (log.cut)
    text << "; entries up to " << log.cut->seq << " are in archives, the last one with SHA-256 "
         << to_hex(log.cut->archive);
  else if (log.not_read > 0)
    text << "; entries up to " << log.not_read << " were not read, they are in earlier archives";
  for (const auto& head : log.not_compared)
    text << ", needed to compare entry " << head.seq << ", up to which it was read before";
  if (log.archived > 0)
    text << "; entries " << (log.not_read > 0 ? "from " + std::to_string(log.not_read + 1) + " " : "")
         << "up to " << log.archived << " are from archives";
  if (log.foreign > 0) text << "; " << log.foreign << " of other tenants, known by their hashes";
  if (log.lost > 0)
    text << "; " << log.lost << " were lost, as entries of kind store say, or ones that are damaged";
  if (log.lost_what_was_read) text << ", among them some that were read here before";
  text << '\n';
  for (const Row& row : rows) {
    std::ostringstream line;
    for (std::size_t column = 0; column < kColumns; ++column)
      line << "  " << std::left << std::setw(static_cast<int>(widths[column])) << row[column];
    std::string padded = line.str();
    padded.erase(padded.find_last_not_of(' ') + 1);
    text << padded << '\n';
  }
  return text.str();
}

std::string log_as_json(const VerifiedLog& log) {
  const auto line = [](const nlohmann::ordered_json& object) {
    return object.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
  };
  std::string text;
  for (const LogEntry& entry : log.entries) {
    nlohmann::ordered_json items = nlohmann::ordered_json::array();
    for (const LogEntry::Item& item : entry.items)
      items.push_back(
          {{"c1_hash", to_hex(item.c1_hash)}, {"status", protocol::item_status_name(item.status)}});
    nlohmann::ordered_json object = {{"party", log.party},
                                     {"seq", entry.seq},
                                     {"time", utc_text(entry.time_ms)},
                                     {"kind", protocol::entry_kind_name(entry.kind)},
                                     {"operation", protocol::recorded_name(entry.operation)},
                                     {"tenant", entry.tenant},
                                     {"key_id", to_hex(entry.key_id)},
                                     {"client", entry.client},
                                     {"request_id", to_hex(entry.request_id)},
                                     {"request_hash", to_hex(entry.request_hash)},
                                     {"action", action_text(entry.action)},
                                     {"reason", entry.reason},
                                     {"outcome", entry.outcome},
                                     {"detail", entry.detail},
                                     {"items", items},
                                     {"archived", entry.seq <= log.archived}};
    if (entry.handover)
      object["handover"] = {{"step", entry.handover->step},
                            {"plan", to_hex(entry.handover->sid)},
                            {"payload_hash", to_hex(entry.handover->payload)}};
    text += line(object);
  }
  const nlohmann::ordered_json cut = log.cut ? nlohmann::ordered_json({{"seq", log.cut->seq},
                                                                       {"time", utc_text(log.cut->time_ms)},
                                                                       {"archive", to_hex(log.cut->archive)}})
                                             : nlohmann::ordered_json();
  return text + line({{"party", log.party},
                      {"head", true},
                      {"verified", true},
                      {"seq", log.head.seq},
                      {"time", utc_text(log.head.time_ms)},
                      {"chain", to_hex(log.head.chain)},
                      {"foreign", log.foreign},
                      {"lost", log.lost},
                      {"lost_what_was_read", log.lost_what_was_read},
                      {"cut", cut},
                      {"archived", log.archived},
                      {"not_read", log.not_read},
                      {"compared", log.not_compared.empty()}});
}

}  // namespace coprotect::provisioning
