#include "swtpm-tests/harness/soft_token.h"

#include <cstdlib>
#include <utility>

#include "protocol/base/result.h"
#include "swtpm-tests/harness/process.h"

namespace coprotect::harness {
namespace {

// Where distributions put the module.
std::string module_path() {
  for (const char* path : {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"})
    if (std::filesystem::exists(path)) return path;
  invariant(false);
  return {};
}

}  // namespace

SoftToken::SoftToken(std::filesystem::path folder, std::string label, std::string pin)
    : folder_(std::move(folder)), label_(std::move(label)) {
  const std::filesystem::path tokens = folder_ / "tokens";
  std::filesystem::create_directories(tokens);
  write_file(configuration(),
             "directories.tokendir = " + tokens.string() +
                 "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n");
  write_file(pin_file(), pin + "\n");
  const Finished made =
      Command(installed_program("softhsm2-util"))
          .args({"--init-token", "--free", "--label", label_, "--so-pin", "31415926", "--pin", pin})
          .env("SOFTHSM2_CONF=" + configuration().string())
          .run();
  invariant(made.exit_code == 0);
}

void SoftToken::use() const {
  invariant(setenv("SOFTHSM2_CONF", configuration().c_str(), 1) == 0);
}

std::string SoftToken::uri_without_pin() const {
  return "pkcs11:token=" + label_ + "?module-path=" + module_path();
}

std::string SoftToken::uri_with_pin_file(const std::filesystem::path& file) const {
  return uri_without_pin() + "&pin-source=file:" + file.string();
}

void SoftToken::remove() const {
  std::filesystem::rename(folder_ / "tokens", folder_ / "removed");
  std::filesystem::create_directory(folder_ / "tokens");
}

void SoftToken::restore() const {
  std::filesystem::remove_all(folder_ / "tokens");
  std::filesystem::rename(folder_ / "removed", folder_ / "tokens");
}

}  // namespace coprotect::harness
