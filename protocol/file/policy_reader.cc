#include "protocol/file/policy_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace coprotect::protocol {
namespace {

constexpr std::size_t kMaxPolicyJson = 65'535;
constexpr std::size_t kMaxStringSize = 255;
constexpr std::size_t kMaxEntries = 1024;

// Handles the parser's events one by one: the parser's own tree would keep the last of two members with the
// same name. A policy has three levels (the object, allow and deny, their arrays). Anything deeper is
// rejected here, before the limit of four.
class MemberReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  PolicyMembers members;
  std::string problem;

  bool key(string_t& name) override {
    std::set<std::string>& seen = subjects_ == nullptr ? seen_ : seen_subjects_;
    member_ = subjects_ == nullptr ? name : subjects_name_ + "." + name;
    if (name.size() > kMaxStringSize) return refuse("has a member with a name over 255 bytes");
    if (!seen.insert(name).second) return fail("appears twice");
    const bool known = subjects_ == nullptr
                           ? name == "version" || name == "allow" || name == "deny" || name == "actions" ||
                                 name == "not_before" || name == "not_after"
                           : name == "users" || name == "groups";
    return known || fail("is not a member of a policy");
  }

  bool start_object(std::size_t) override {
    if (!inside_) return inside_ = true;
    if (array_ != nullptr || subjects_ != nullptr) return fail("holds an object");
    if (member_ != "allow" && member_ != "deny") return fail("is an object");
    subjects_ = &(member_ == "allow" ? members.allow : members.deny).emplace();
    subjects_name_ = member_;
    seen_subjects_.clear();
    return true;
  }
  bool end_object() override {
    if (subjects_ == nullptr) return true;
    if (!subjects_->users && !subjects_->groups) {
      member_ = subjects_name_;
      return fail("has neither users nor groups");
    }
    subjects_ = nullptr;
    return true;
  }

  bool start_array(std::size_t) override {
    if (!inside_) return refuse("is not an object");
    if (array_ != nullptr) return fail("holds an array");
    if (subjects_ != nullptr) {
      array_ = &(member_ == subjects_name_ + ".users" ? subjects_->users : subjects_->groups).emplace();
    } else if (member_ == "actions") {
      array_ = &members.actions.emplace();
    } else {
      return fail("is an array");
    }
    return true;
  }
  bool end_array() override {
    array_ = nullptr;
    return true;
  }

  bool string(string_t& text) override {
    if (!inside_) return refuse("is not an object");
    if (text.size() > kMaxStringSize) return fail("has a string over 255 bytes");
    if (array_ != nullptr) {
      if (array_->size() == kMaxEntries) return fail("has more than 1024 entries");
      array_->push_back(text);
      return true;
    }
    if (subjects_ == nullptr && member_ == "not_before") return members.not_before = text, true;
    if (subjects_ == nullptr && member_ == "not_after") return members.not_after = text, true;
    return fail("is a string");
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!inside_) return refuse("is not an object");
    if (subjects_ != nullptr || array_ != nullptr || member_ != "version") return fail("has a number");
    members.version = value;
    return true;
  }
  bool number_integer(number_integer_t) override { return wrong_kind("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return wrong_kind("a floating-point number");
  }
  bool boolean(bool) override { return wrong_kind("true or false"); }
  bool null() override { return wrong_kind("null"); }
  bool binary(binary_t&) override { return wrong_kind("binary"); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("is not JSON in UTF-8 at byte " + std::to_string(position));
  }

 private:
  bool refuse(const std::string& what) {
    problem = "policy " + what;
    return false;
  }
  bool fail(const std::string& what) { return refuse("member \"" + member_ + "\" " + what); }
  bool wrong_kind(const std::string& kind) {
    return inside_ ? fail("has " + kind) : refuse("is not an object");
  }

  bool inside_ = false;
  std::string member_;
  std::set<std::string> seen_;
  PolicyMembers::Subjects* subjects_ = nullptr;  // the allow or deny being read
  std::string subjects_name_;
  std::set<std::string> seen_subjects_;
  std::vector<std::string>* array_ = nullptr;  // the array being read
};

}  // namespace

Result<PolicyMembers> read_policy_members(ByteView json) {
  if (json.size() > kMaxPolicyJson) return Error(Code::malformed, "policy is over 65535 bytes");
  // The parser would skip a byte order mark, and treat a zero byte as the end.
  if (json.empty() || json[0] == 0xef) return Error(Code::malformed, "policy is not an object");
  if (std::find(json.begin(), json.end(), 0) != json.end()) {
    return Error(Code::malformed, "policy has a zero byte");
  }
  MemberReader reader;
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) {
    return Error(Code::malformed, reader.problem);
  }
  return std::move(reader.members);
}

}  // namespace coprotect::protocol
