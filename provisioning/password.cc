#include "provisioning/password.h"

#include <zxcvbn.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "protocol/base/owned.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

// zxcvbn's work grows with the square of the length; more than this adds nothing to the estimate.
constexpr std::size_t kMaxPassword = 256;

using MatchList = Owned<ZxcMatch_t, ZxcvbnFreeInfo>;

struct Estimate {
  double bits;
  MatchList parts;
};

Result<Estimate> estimate(const Secret& password, std::string_view tenant) {
  const ByteView typed = password.reveal();
  if (typed.size() > kMaxPassword)
    return Error(Code::denied, "the password is longer than " + std::to_string(kMaxPassword) + " bytes");
  if (std::find(typed.begin(), typed.end(), std::uint8_t{0}) != typed.end())
    return Error(Code::denied, "the password contains a zero byte");
  Secret terminated(typed.size() + 1);
  std::copy(typed.begin(), typed.end(), terminated.fill().begin());
  const std::string known(tenant);
  std::array<const char*, 3> words = {known.c_str(), "coprotect", nullptr};
  Estimate result{0, nullptr};
  result.bits =
      ZxcvbnMatch(reinterpret_cast<const char*>(terminated.reveal().data()), words.data(), out(result.parts));
  return result;
}

std::string_view weakness(int type) {
  switch (type & (MULTIPLE_MATCH - 1)) {
    case DICTIONARY_MATCH:
      return "a common word or password";
    case DICT_LEET_MATCH:
      return "a common word with letters replaced by digits";
    case USER_MATCH:
    case USER_LEET_MATCH:
      return "the tenant's or the program's name";
    case REPEATS_MATCH:
      return "repeated characters";
    case SEQUENCE_MATCH:
      return "a sequence such as abc or 123";
    case SPATIAL_MATCH:
      return "neighbouring keys";
    case DATE_MATCH:
    case YEAR_MATCH:
      return "a date or a year";
    default:
      return "";
  }
}

// What zxcvbn recognised, each once: "a common word or password, a date or a year".
std::string weaknesses(const ZxcMatch_t* part) {
  std::set<std::string_view> found;
  for (; part != nullptr; part = part->Next) found.insert(weakness(part->Type));
  found.erase("");
  std::string text;
  for (const auto what : found) text += (text.empty() ? "" : ", ") + std::string(what);
  return text;
}

}  // namespace

Result<double> password_bits(const Secret& password, std::string_view tenant) {
  auto result = estimate(password, tenant);
  if (!result) return std::move(result).error();
  return result->bits;
}

Status check_password(const Secret& password, std::string_view tenant) {
  auto result = estimate(password, tenant);
  if (!result) return std::move(result).error();
  if (result->bits >= kPasswordBits) return Done{};
  const std::string found = weaknesses(result->parts.get());
  Error error(Code::denied, "the password can be guessed: about " +
                                std::to_string(static_cast<int>(result->bits)) + " bits, " +
                                std::to_string(static_cast<int>(kPasswordBits)) + " are needed" +
                                (found.empty() ? "" : "; it contains " + found));
  return with_hint(std::move(error),
                   "use more words that do not belong together, or the generated code instead of a password");
}

Result<std::optional<Secret>> ask_recovery_password(bool wanted, std::string_view tenant,
                                                    const Operator& person) {
  if (!wanted) return std::optional<Secret>();
  auto password = person.new_password();
  if (!password) return std::move(password).error();
  if (auto strong = check_password(*password, tenant); !strong) return std::move(strong).error();
  person.warn(
      "whoever gets one share and the recovery blob can guess the password for as long as they like; a "
      "generated code cannot be guessed");
  return std::optional<Secret>(std::move(*password));
}

}  // namespace coprotect::provisioning
