#pragma once

#include <filesystem>
#include <string>

#include "swtpm-tests/harness/process.h"

namespace coprotect::harness {

// A software TPM 2.0 (swtpm) on Unix sockets in its own folder. It serves once the constructor has returned.
class SoftTpm {
 public:
  // Creates `folder` and starts a new TPM there.
  explicit SoftTpm(std::filesystem::path folder);

  // "tpm:swtpm:path=…"
  std::string uri() const { return "tpm:" + tcti(); }
  std::string tcti() const { return "swtpm:path=" + socket_path(); }

  // Cuts the power. The TPM's persistent state remains for the next start().
  void kill() { process_ = Daemon(); }
  void start();
  // Makes it stop answering without closing its sockets; resume() makes it continue.
  void hang();
  void resume();

 private:
  std::string socket_path() const { return (folder_ / "tpm").string(); }

  std::filesystem::path folder_;
  Daemon process_;
};

}  // namespace coprotect::harness
