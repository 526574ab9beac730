#include "client/problem.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "protocol/base/text.h"

namespace coprotect::client {
namespace {

constexpr std::size_t kMaxProblem = 65'536;
constexpr std::size_t kMaxDetail = 1'000;
constexpr std::size_t kMaxRequestId = 64;

constexpr std::array kCodes = {Code::malformed,   Code::unauthenticated, Code::denied,     Code::replayed,
                               Code::stale,       Code::not_found,       Code::conflict,   Code::altered,
                               Code::bad_proof,   Code::wrong_code,      Code::locked_out, Code::limited,
                               Code::unavailable, Code::internal};

std::string member(const nlohmann::json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool is_request_id(const std::string& id) {
  return !id.empty() && id.size() <= kMaxRequestId && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
  });
}

Error unexplained(long status) {
  // 502 to 504 come from an intermediary: the agent itself would have explained more.
  const Code code = status >= 500 ? Code::unavailable : Code::internal;
  return {code, std::string(code_name(code)) + ": HTTP status " + std::to_string(status) +
                    " without an explanation"};
}

}  // namespace

std::string shown(const std::string& text) {
  const std::string clean = printable(text);
  if (clean.size() <= kMaxDetail) return clean;
  return std::string(beginning_of(clean, kMaxDetail)) + "…";
}

Error read_problem(long status, ByteView body) {
  if (body.size() > kMaxProblem) return unexplained(status);
  const auto problem = nlohmann::json::parse(body.begin(), body.end(), nullptr, false);
  if (!problem.is_object()) return unexplained(status);
  const std::string name = member(problem, "code");
  const auto* const code =
      std::find_if(kCodes.begin(), kCodes.end(), [&](Code known) { return code_name(known) == name; });
  if (code == kCodes.end()) return unexplained(status);

  std::string detail = member(problem, "detail");
  if (detail.empty()) detail = member(problem, "title");
  std::string message(code_name(code_of_agent(*code)));
  if (!detail.empty()) message += ": " + shown(detail);
  const std::string id = member(problem, "request_id");
  if (is_request_id(id)) message += " (request " + id + ")";
  return {code_of_agent(*code), std::move(message)};
}

Code code_of_agent(Code code) {
  return code == Code::wrong_code ? Code::locked_out : code;
}

Error read_unsigned_problem(long status, ByteView body) {
  return {Code::unavailable, "unavailable: it could not be asked: an answer that it did not sign says \"" +
                                 read_problem(status, body).message() + "\""};
}

}  // namespace coprotect::client
