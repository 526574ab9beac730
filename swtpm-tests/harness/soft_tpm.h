#pragma once

#include <filesystem>
#include <string>

#include "swtpm-tests/harness/process.h"

namespace coprotect::harness {

// A TPM 2.0 in software (swtpm) on Unix sockets in a folder of its own. It serves from the moment the
// constructor returns.
class SoftTpm {
 public:
  // Makes `folder` and starts a new TPM there.
  explicit SoftTpm(std::filesystem::path folder);

  // "tpm:swtpm:path=…"
  std::string uri() const { return "tpm:" + tcti(); }
  std::string tcti() const { return "swtpm:path=" + socket_path(); }

  // Pulls the plug. What is persistent in the TPM stays for the next start().
  void kill() { process_ = Daemon(); }
  void start();
  // Stops it answering, without closing its sockets; and lets it go on.
  void hang();
  void resume();

 private:
  std::string socket_path() const { return (folder_ / "tpm").string(); }

  std::filesystem::path folder_;
  Daemon process_;
};

}  // namespace coprotect::harness
