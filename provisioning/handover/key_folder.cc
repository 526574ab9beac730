#include "provisioning/handover/key_folder.h"

#include "client/enrolment.h"
#include "provisioning/further_keys.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;
using protocol::RecoveryKit;

constexpr std::string_view kSheet = "recovery-sheet.txt";
constexpr std::string_view kUnopened = "unopened";

Result<std::optional<RecoveryKit>> read_kit(const fs::path& file) {
  const auto encoded = client::read_small_file(file, kMaxFile);
  if (!encoded && encoded.error().code() == Code::not_found) return std::optional<RecoveryKit>();
  if (!encoded) return encoded.error();
  auto kit = RecoveryKit::parse(*encoded);
  if (!kit) return std::move(kit).error().in("\"" + file.string() + "\"");
  return std::optional(*std::move(kit));
}

// Each new code has its own recovery party. Its kit's certificate is for that party's key.
Result<bool> is_kit_of(const RecoveryKit& kit, const Bundle& bundle) {
  const auto certificate = protocol::Certificate::parse_der(kit.certificate());
  if (!certificate) return Error(certificate.error()).in("recovery kit");
  const auto party = bundle.parameters().recovery_party();
  return party && bundle.parameters()->parties[*party].identity_key == certificate->key();
}

}  // namespace

KeyFolder::KeyFolder(fs::path company, fs::path folder, std::string name, Bundle bundle,
                     ClientDirectory administrator)
    : company_(std::move(company)),
      folder_(std::move(folder)),
      name_(std::move(name)),
      bundle_(std::move(bundle)),
      administrator_(std::move(administrator)) {}

Result<KeyFolder> KeyFolder::open(const fs::path& company, const std::string& key) {
  auto administrator = ClientDirectory::load(company / "admin" / "config.toml");
  if (!administrator)
    return with_hint(std::move(administrator).error(),
                     "--dir names the folder that onboard was given as --out");
  const std::string name = key.empty() ? administrator->bundle.tenant() : key;
  const fs::path folder = key.empty() ? company : company / kFurtherKeys / key;
  auto bundle = client::load_bundle(folder / (name + ".bundle"), std::nullopt);
  if (!bundle) return std::move(bundle).error();
  if (bundle->tenant() != administrator->bundle.tenant())
    return Error(Code::altered, "\"" + folder.string() + "\" holds a key of another tenant");
  return KeyFolder(company, folder, name, *std::move(bundle), *std::move(administrator));
}

Result<std::optional<RecoveryKit>> KeyFolder::kit() const {
  return read_kit(kit_file());
}

Result<bool> KeyFolder::has_kit_of_another_code() const {
  const auto present = kit();
  if (!present) return present.error();
  if (!*present) return false;
  const auto fits = is_kit_of(**present, bundle_);
  if (!fits) return fits;
  return !*fits;
}

Status KeyFolder::renew(const Bundle& bundle) {
  if (!bundle.extends(bundle_))
    return Error(Code::altered, "the agents show another history of key " + to_hex(bundle_.key_id()) +
                                    " than the folder has");
  bundle_ = bundle;
  auto present = kit();
  if (!present) return std::move(present).error();
  // A kit of an older code stays unchanged: with the newest bundle it would look valid.
  const auto of_this_code = *present ? is_kit_of(**present, bundle) : Result<bool>(false);
  if (!of_this_code) return of_this_code.error();
  if (*of_this_code)
    if (auto done =
            write_durable(kit_file(), (*present)->with_bundle(bundle.encoded()).encode(), kPrivateMode);
        !done)
      return done;
  if (folder_ == company_)
    if (auto done = write_client_bundle(company_ / "admin", bundle.tenant(), bundle.encoded()); !done)
      return done;
  return write_durable(bundle_file(), bundle.encoded(), kPublicMode);
}

Status KeyFolder::keep_acknowledgements(const protocol::RetireRequest& acknowledged) {
  return write_durable(acknowledged_file(), acknowledged.encode(), kPublicMode);
}

Result<std::optional<protocol::RetireRequest>> KeyFolder::acknowledgements() const {
  const auto encoded = client::read_small_file(acknowledged_file(), kMaxFile);
  if (!encoded && encoded.error().code() == Code::not_found) return std::optional<protocol::RetireRequest>();
  if (!encoded) return encoded.error();
  auto acknowledged = protocol::RetireRequest::parse(*encoded);
  if (!acknowledged) return std::move(acknowledged).error().in("\"" + acknowledged_file().string() + "\"");
  return std::optional(*std::move(acknowledged));
}

Status KeyFolder::commit(const RecoveryKit& kit, std::string_view sheet) {
  if (auto made = make_private_directory(staging()); !made) return made;
  if (auto done = write_durable(staging() / kSheet, bytes_of(sheet), kPublicMode); !done) return done;
  return write_durable(staging() / (name_ + ".kit"), kit.encode(), kPrivateMode);
}

Result<std::optional<RecoveryKit>> KeyFolder::committed() const {
  return read_kit(staging() / (name_ + ".kit"));
}

Status KeyFolder::note_unopened() {
  return write_durable(staging() / kUnopened, {}, kPublicMode);
}

bool KeyFolder::unopened() const {
  std::error_code ignored;
  return fs::exists(staging() / kUnopened, ignored);
}

Status KeyFolder::install() {
  std::error_code ignored;
  if (fs::exists(staging() / kSheet, ignored))
    if (auto moved = rename_durable(staging() / kSheet, folder_ / kSheet); !moved) return moved;
  if (auto moved = rename_durable(staging() / (name_ + ".kit"), kit_file()); !moved) return moved;
  return remove_tree(staging());
}

Result<fs::path> KeyFolder::set_aside() {
  std::error_code ignored;
  fs::path place;
  for (int number = 1; place.empty() || fs::exists(place, ignored); ++number) place = aside(number);
  if (auto moved = rename_durable(staging(), place); !moved) return std::move(moved).error();
  return place;
}

Result<std::vector<Digest>> KeyFolder::replaced_administrators(const Bundle& bundle) const {
  std::vector<Digest> keys;
  const protocol::Sharing* const before = bundle.sharing_before();
  if (before != nullptr)
    if (const auto* const administrator = before->parameters.recovery_administrator())
      keys.push_back(protocol::key_hash_of(*administrator));
  std::error_code ignored;
  for (int number = 1; fs::exists(aside(number), ignored); ++number) {
    const auto kit = read_kit(aside(number) / (name_ + ".kit"));
    if (!kit) return kit.error();
    if (!*kit) continue;
    const auto certificate = protocol::Certificate::parse_der((*kit)->certificate());
    if (!certificate) return Error(certificate.error()).in("recovery kit");
    keys.push_back(certificate->key_hash());
  }
  return keys;
}

Result<bool> KeyFolder::take_up(const Bundle& bundle) {
  const auto already = committed();
  if (!already) return already.error();
  if (*already) return false;
  const auto present = kit();
  if (!present) return present.error();
  if (*present) {
    const auto own = is_kit_of(**present, bundle);
    if (!own) return own.error();
    if (*own) return false;
  }
  std::error_code ignored;
  for (int number = 1; fs::exists(aside(number), ignored); ++number) {
    const auto other = read_kit(aside(number) / (name_ + ".kit"));
    if (!other) return other.error();
    if (!*other) continue;
    const auto fits = is_kit_of(**other, bundle);
    if (!fits) return fits;
    if (!*fits) continue;
    if (auto moved = rename_durable(aside(number), staging()); !moved) return std::move(moved).error();
    return true;
  }
  return false;
}

}  // namespace coprotect::provisioning
