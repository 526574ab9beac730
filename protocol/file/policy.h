#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::protocol {

enum class Action : std::uint8_t { view = 1, edit = 2, print = 3, recover = 4 };
std::string_view action_name(Action action);
Result<Action> action_by_name(std::string_view name);

// The requester as the certificate names it: the full identity URI and the full URIs of its groups.
struct Subject {
  std::string uri;
  std::vector<std::string> groups;
};

struct SubjectSet {
  std::vector<std::string> users;
  std::vector<std::string> groups;
  bool names(const Subject& subject) const;
};

// A file's policy (SPEC.md §9.4).
class Policy {
 public:
  // Strict. Code::malformed for duplicate or unknown members, floats, deep nesting, invalid UTF-8, invalid
  // times and sizes over the limits; the message names the member. Zero bytes are the absent policy.
  static Result<Policy> parse(ByteView json);

  struct Draft {
    SubjectSet allow;
    SubjectSet deny;
    std::set<Action> actions{Action::view};
    std::optional<std::string> not_before;
    std::optional<std::string> not_after;
  };
  // The JSON of a draft, for `encrypt --allow-user`. Code::malformed if parse() would not accept it.
  static Result<Bytes> write(const Draft& draft);

  // Whether the subject may do this at this time (milliseconds since 1970). Otherwise Code::denied, with the
  // reason. Action recover is always allowed here: the server's policy decides about it.
  Status check(const Subject& subject, Action action, std::int64_t now_ms) const;

  bool absent() const { return absent_; }
  // Usage rights for the reading program.
  const std::set<Action>& actions() const { return actions_; }

 private:
  Policy() = default;
  bool absent_ = true;
  SubjectSet allow_;
  SubjectSet deny_;
  std::set<Action> actions_;
  std::optional<std::int64_t> not_before_ms_;
  std::optional<std::int64_t> not_after_ms_;
};

}  // namespace coprotect::protocol
