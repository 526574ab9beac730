#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include "hsm/pkcs11/soft_token.h"
#include "hsm/token.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/helper_script.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::hsm::pkcs11 {

namespace fs = std::filesystem;
using harness::read_file;
using harness::write_file;

// A SoftHSM2 token and the copy that its helper keeps of it.
class SoftTokenCopy : public testing::Test {
 protected:
  SoftTokenCopy() { device_.use(); }

  Token token() const { return Token(config()); }
  TokenConfig config() const { return {.uri = device_.uri(), .helper = COPROTECT_TOKEN}; }
  SealedKey sealed() const { return must(token().seal_new_key()); }
  // The token's own folder.
  fs::path files() const { return fs::directory_iterator(scratch_ / "token" / "tokens")->path(); }
  fs::path token_file() const { return files() / SoftToken::kTokenFile; }
  std::vector<fs::path> objects() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(files()))
      if (entry.path().extension() == ".object" && entry.path() != token_file())
        found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
  }
  fs::path copy_file() const { return files() / ".coprotect-copy"; }
  SoftToken copy() const { return must(SoftToken::parse(bytes_of(read_file(copy_file())))); }
  // The damaged files that are kept.
  std::vector<fs::path> kept_aside() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(files()))
      if (entry.path().filename().string().starts_with(".coprotect-damaged-")) found.push_back(entry.path());
    return found;
  }
  // Whether one of our files in the token's folder holds these bytes.
  bool is_kept(const std::string& bytes) const {
    for (const auto& entry : fs::recursive_directory_iterator(files()))
      if (entry.is_regular_file() && entry.path().string().find(".coprotect-") != std::string::npos &&
          read_file(entry.path()).find(bytes) != std::string::npos)
        return true;
    return false;
  }
  static RootId root_id(std::uint8_t first) { return RootId{first}; }
  // Whether any file in the token's folder holds these bytes.
  bool is_anywhere(const std::string& bytes) const {
    for (const auto& entry : fs::recursive_directory_iterator(files()))
      if (entry.is_regular_file() && read_file(entry.path()).find(bytes) != std::string::npos) return true;
    return false;
  }
  // Files that a killed helper had not yet renamed.
  std::vector<fs::path> left_over() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(files())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("..") || (name.starts_with(".") && name.find(".object.") != std::string::npos))
        found.push_back(entry.path());
    }
    return found;
  }
  // The content of the one new object; empty if there is none.
  std::string new_object(const std::vector<fs::path>& before) const {
    for (const fs::path& object : objects())
      if (std::ranges::find(before, object) == before.end() && fs::file_size(object) > 100)
        return read_file(object).substr(8);
    return {};
  }
  // A token whose helper dies at its N-th fault point.
  Token dying(const std::string& point) const {
    return Token({.uri = device_.uri(),
                  .helper = harness::helper_script(
                      scratch_, "dying" + point,
                      "export SOFTHSM2_CONF=" + device_.configuration().string() +
                          "\nexport COPROTECT_FAULT_AT=" + point + "\nexec " COPROTECT_FAULT_TOKEN)});
  }
  static bool is_running(pid_t child) {
    siginfo_t ended{};
    return waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
  }

  harness::Scratch scratch_;
  harness::SoftToken device_{scratch_ / "token"};
};

}  // namespace coprotect::hsm::pkcs11
