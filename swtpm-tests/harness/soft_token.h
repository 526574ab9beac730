#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace coprotect::harness {

// Software PKCS#11 tokens (SoftHSM2) with their own folder and configuration. A program finds them if
// SOFTHSM2_CONF is configuration().
class SoftToken {
 public:
  // Creates `folder` and a first token in it. Writes the token's PIN to a file.
  explicit SoftToken(std::filesystem::path folder, std::string label = "coprotect",
                     std::string pin = "271828");

  std::filesystem::path configuration() const { return folder_ / "softhsm2.conf"; }
  // Sets SOFTHSM2_CONF in this process.
  void use() const;
  // Creates another token beside the first, with the same PIN.
  void add(const std::string& label) const;

  // "pkcs11:token=…?module-path=…&pin-source=file:…"
  std::string uri() const { return uri_with_pin_file(pin_file()); }
  std::string uri_of(const std::string& label) const;
  std::string uri_with_pin_file(const std::filesystem::path& file) const;
  std::string uri_without_pin() const;
  std::filesystem::path pin_file() const { return folder_ / "pin"; }

  // The URI with another module instead of SoftHSM2's: it wraps SoftHSM2 and counts logins.
  static std::string counting_logins(std::string uri);
  // The number of logins through that module.
  std::size_t logins() const;
  // From now on, each login through that module is delayed by this time.
  void slow_down_logins(std::chrono::milliseconds by = std::chrono::milliseconds(500)) const;
  void speed_up_logins() const;
  // Whether a delayed login has completed.
  bool slow_login_ended() const;

  // Removes the tokens, and puts them back.
  void remove() const;
  void restore() const;

 private:
  std::filesystem::path folder_;
  std::string label_;
  std::string pin_;
};

}  // namespace coprotect::harness
