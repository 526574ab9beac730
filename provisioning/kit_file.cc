#include "provisioning/kit_file.h"

#include "protocol/x509/certificate.h"
#include "provisioning/durable.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using protocol::Certificate;
using protocol::RecoveryKit;

// A blob belongs to one key and one code. The certificates distinguish the administrator's keys and client
// CAs.
bool is_same(const RecoveryKit& one, const RecoveryKit& other) {
  if (one.blob().encoded() != other.blob().encoded()) return false;
  const auto certificate = Certificate::parse_der(one.certificate());
  const auto others = Certificate::parse_der(other.certificate());
  return certificate && others && certificate->key() == others->key();
}

}  // namespace

Status check_place_of_kit(const std::filesystem::path& file, const RecoveryKit& kit) {
  const auto encoded = client::read_small_file(file, kMaxFile);
  if (!encoded && encoded.error().code() == Code::not_found) return Done{};
  const auto there = encoded ? RecoveryKit::parse(*encoded) : Result<RecoveryKit>(encoded.error());
  if (there && is_same(*there, kit)) return Done{};
  const std::string what = !encoded ? "cannot be read: " + encoded.error().message()
                           : !there ? "is not a recovery kit"
                                    : "is the kit of another key or code";
  return with_hint(Error(Code::conflict, "\"" + file.string() + "\" exists and " + what),
                   "name a new file, or the kit that is renewed");
}

}  // namespace coprotect::provisioning
