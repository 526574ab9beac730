#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

using Deadline = std::chrono::steady_clock::time_point;

// A coprotect-token process: started with nothing of this process but its channel and, of the environment,
// the few variables by which PKCS#11 modules find their configuration (kPassedVariables). Killed and reaped
// when the object goes. The program must not reap children that it does not know (waitpid(−1), SA_NOCLDWAIT).
class HelperProcess {
 public:
  static Result<HelperProcess> start(const std::filesystem::path& executable);
  HelperProcess(HelperProcess&& other) noexcept;
  HelperProcess& operator=(HelperProcess&&) = delete;
  ~HelperProcess();

  // Sends the request and waits for the reply. Code::unavailable if none comes before the deadline.
  Result<Secret> exchange(ByteView request, Deadline deadline);

 private:
  HelperProcess(pid_t pid, int channel) : pid_(pid), channel_(channel) {}
  Error ended_without_reply();

  pid_t pid_;  // −1 once reaped
  int channel_;
};

}  // namespace coprotect::hsm
