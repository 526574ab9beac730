#include "swtpm-tests/harness/soft_token.h"

#include <algorithm>
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

std::string uri_of_token(const std::string& label) {
  return "pkcs11:token=" + label + "?module-path=" + module_path();
}

}  // namespace

SoftToken::SoftToken(std::filesystem::path folder, std::string label, std::string pin)
    : folder_(std::move(folder)), label_(std::move(label)), pin_(std::move(pin)) {
  const std::filesystem::path tokens = folder_ / "tokens";
  std::filesystem::create_directories(tokens);
  write_file(configuration(),
             "directories.tokendir = " + tokens.string() +
                 "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n");
  write_file(pin_file(), pin_ + "\n");
  add(label_);
}

void SoftToken::add(const std::string& label) const {
  const Finished made =
      Command(installed_program("softhsm2-util"))
          .args({"--init-token", "--free", "--label", label, "--so-pin", "31415926", "--pin", pin_})
          .env("SOFTHSM2_CONF=" + configuration().string())
          .run();
  invariant(made.exit_code == 0);
}

void SoftToken::use() const {
  invariant(setenv("SOFTHSM2_CONF", configuration().c_str(), 1) == 0);
}

std::string SoftToken::uri_without_pin() const {
  return uri_of_token(label_);
}

std::string SoftToken::uri_of(const std::string& label) const {
  return uri_of_token(label) + "&pin-source=file:" + pin_file().string();
}

std::string SoftToken::uri_with_pin_file(const std::filesystem::path& file) const {
  return uri_without_pin() + "&pin-source=file:" + file.string();
}

std::string SoftToken::counting_logins(std::string uri) {
  const std::string path = module_path();
  return uri.replace(uri.find(path), path.size(), COPROTECT_COUNTING_MODULE);
}

std::size_t SoftToken::logins() const {
  const std::string file = configuration().string() + ".logins";
  if (!std::filesystem::exists(file)) return 0;
  const std::string lines = read_file(file);
  return static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
}

void SoftToken::slow_down_logins(std::chrono::milliseconds by) const {
  write_file(configuration().string() + ".slow", std::to_string(by.count()));
}

void SoftToken::speed_up_logins() const {
  std::filesystem::remove(configuration().string() + ".slow");
}

bool SoftToken::slow_login_ended() const {
  return read_file(configuration().string() + ".slow").starts_with("done");
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
