#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "hsm/durable_file.h"
#include "hsm/spawn.h"
#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

using Deadline = std::chrono::steady_clock::time_point;

inline constexpr const char* kHelperName = "coprotect-token";

// The environment of a helper: this process's values of the few variables by which PKCS#11 modules find their
// configuration (kPassedVariables) and, if given, the only token that it shall serve.
std::vector<std::string> environment_of_helper(const std::string& uri = {});

// A coprotect-token process. It gets only its channel and environment_of_helper() from this process. The
// destructor kills and reaps it; a helper that had no time to answer first gets some seconds to finish what
// it began. The program must not reap unknown children (waitpid(−1), SA_NOCLDWAIT).
class HelperProcess {
 public:
  // With an owner, it runs as that user.
  static Result<HelperProcess> start(const std::filesystem::path& executable,
                                     const std::optional<FileOwner>& owner = std::nullopt);
  HelperProcess(HelperProcess&& other) noexcept;
  HelperProcess& operator=(HelperProcess&&) = delete;
  ~HelperProcess();

  // Sends the request and waits for the reply. Code::unavailable if none comes before the deadline or before
  // a stop request.
  Result<Secret> exchange(ByteView request, Deadline deadline, const std::stop_token& stop = {});
  // For a helper that had no time to answer. Called once, from another thread, with its late reply, if any.
  using Late = std::function<void(const std::optional<Secret>& reply)>;
  void when_late(Late late) { late_ = std::move(late); }

 private:
  HelperProcess(Spawned process, Fd channel) : process_(std::move(process)), channel_(std::move(channel)) {}
  Error ended_without_reply();
  void end_in_time();

  std::optional<Spawned> process_;  // none once reaped
  bool timed_out_ = false;
  Late late_;
  Fd channel_;
};

}  // namespace coprotect::hsm
