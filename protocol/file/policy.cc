#include "protocol/file/policy.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "protocol/file/policy_reader.h"
#include "protocol/file/utc_time.h"

namespace coprotect::protocol {
namespace {

constexpr std::array kRoles = {"user", "admin", "recovery"};

bool consists_of(std::string_view text, std::string_view punctuation, bool upper_case) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (upper_case && c >= 'A' && c <= 'Z') ||
           punctuation.find(c) != std::string_view::npos;
  });
}

// The kind in the text if it is coprotect:<tenant>:<kind>:<name> (SPEC.md §7.1).
std::optional<std::string_view> kind_of_uri(std::string_view uri) {
  constexpr std::string_view kScheme = "coprotect:";
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  const auto first = uri.find(':');
  const auto second = first == std::string_view::npos ? first : uri.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (!consists_of(uri.substr(0, first), "-", false)) return std::nullopt;
  if (!consists_of(uri.substr(second + 1), "._@-", true)) return std::nullopt;
  return uri.substr(first + 1, second - first - 1);
}

Result<SubjectSet> subject_set(std::string_view member, std::optional<PolicyMembers::Subjects> written) {
  SubjectSet set;
  if (!written) return set;
  set.users = std::move(written->users).value_or(std::vector<std::string>{});
  set.groups = std::move(written->groups).value_or(std::vector<std::string>{});
  const auto refuse = [&](const std::string& uri, std::string_view what) {
    return Error(Code::malformed, "policy member \"" + std::string(member) + "\": not the full URI of a " +
                                      std::string(what) + ": " + uri);
  };
  for (const std::string& uri : set.users) {
    const auto kind = kind_of_uri(uri);
    if (!kind || std::find(kRoles.begin(), kRoles.end(), *kind) == kRoles.end()) return refuse(uri, "user");
  }
  for (const std::string& uri : set.groups) {
    if (kind_of_uri(uri) != "group") return refuse(uri, "group");
  }
  return set;
}

Result<std::set<Action>> action_set(const std::optional<std::vector<std::string>>& names) {
  if (!names) return std::set<Action>{Action::view};
  std::set<Action> actions;
  for (const std::string& name : *names) {
    const auto action = action_by_name(name);
    // The server's policy decides about recovery, never a file's.
    if (!action || *action == Action::recover) {
      return Error(Code::malformed, "policy member \"actions\": no such action: " + name);
    }
    actions.insert(*action);
  }
  return actions;
}

Result<std::optional<std::int64_t>> time_of(std::string_view member, const std::optional<std::string>& text) {
  if (!text) return std::optional<std::int64_t>{};
  const auto time = parse_utc_time(*text);
  if (!time) {
    return Error(Code::malformed, "policy member \"" + std::string(member) +
                                      "\": not a time like 2026-01-31T08:00:00Z: " + *text);
  }
  return time;
}

bool any_common(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(),
                     [&](const std::string& x) { return std::find(b.begin(), b.end(), x) != b.end(); });
}

}  // namespace

std::string_view action_name(Action action) {
  switch (action) {
    case Action::view:
      return "view";
    case Action::edit:
      return "edit";
    case Action::print:
      return "print";
    case Action::recover:
      return "recover";
  }
  return "unknown";
}

Result<Action> action_by_name(std::string_view name) {
  for (const Action action : {Action::view, Action::edit, Action::print, Action::recover}) {
    if (name == action_name(action)) return action;
  }
  return Error(Code::malformed, "no such action: " + std::string(name));
}

bool SubjectSet::names(const Subject& subject) const {
  return std::find(users.begin(), users.end(), subject.uri) != users.end() ||
         any_common(groups, subject.groups);
}

Result<Policy> Policy::parse(ByteView json) {
  Policy policy;
  if (json.empty()) return policy;
  policy.absent_ = false;
  auto members = read_policy_members(json);
  if (!members) return std::move(members).error();
  if (members->version != 1) return Error(Code::malformed, "policy member \"version\" is not 1");

  auto allow = subject_set("allow", std::move(members->allow));
  if (!allow) return std::move(allow).error();
  policy.allow_ = *std::move(allow);
  auto deny = subject_set("deny", std::move(members->deny));
  if (!deny) return std::move(deny).error();
  policy.deny_ = *std::move(deny);
  auto actions = action_set(members->actions);
  if (!actions) return std::move(actions).error();
  policy.actions_ = *std::move(actions);
  const auto not_before = time_of("not_before", members->not_before);
  if (!not_before) return not_before.error();
  policy.not_before_ms_ = *not_before;
  const auto not_after = time_of("not_after", members->not_after);
  if (!not_after) return not_after.error();
  policy.not_after_ms_ = *not_after;
  return policy;
}

Result<Bytes> Policy::write(const Draft& draft) {
  nlohmann::ordered_json json = {{"version", 1}};
  const auto add = [&json](const char* member, const SubjectSet& set) {
    if (!set.users.empty()) json[member]["users"] = set.users;
    if (!set.groups.empty()) json[member]["groups"] = set.groups;
  };
  add("allow", draft.allow);
  add("deny", draft.deny);
  json["actions"] = nlohmann::ordered_json::array();
  for (const Action action : draft.actions) json["actions"].push_back(action_name(action));
  if (draft.not_before) json["not_before"] = *draft.not_before;
  if (draft.not_after) json["not_after"] = *draft.not_after;

  // Invalid UTF-8 becomes a replacement character, which parse() then rejects everywhere.
  const std::string text = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  const auto policy = parse(bytes_of(text));
  if (!policy) return policy.error();
  if (policy->not_before_ms_ && policy->not_after_ms_ && *policy->not_before_ms_ > *policy->not_after_ms_) {
    return Error(Code::malformed, "policy: not_before is later than not_after");
  }
  return Bytes(text.begin(), text.end());
}

Status Policy::check(const Subject& subject, Action action, std::int64_t now_ms) const {
  if (absent_ || action == Action::recover) return Done{};
  const auto denied = [](std::string why) { return Error(Code::denied, "file policy " + std::move(why)); };
  const std::string what = "\"" + std::string(action_name(action)) + "\" to " + subject.uri;
  if (deny_.names(subject)) return denied("denies " + what);
  if (!allow_.names(subject) || !actions_.contains(action)) return denied("does not allow " + what);
  if (not_before_ms_ && now_ms < *not_before_ms_) return denied("does not allow " + what + " yet");
  if (not_after_ms_ && now_ms > *not_after_ms_) return denied("does not allow " + what + " any more");
  return Done{};
}

}  // namespace coprotect::protocol
