#include "agent/tls_files.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "protocol/base/fd.h"
#include "protocol/base/secret_file.h"

namespace coprotect::agent {

Status send_tls_files(ipc::Channel& channel, const Config::Tls& tls) {
  const Fd certificate(open(tls.certificate.c_str(), O_RDONLY | O_CLOEXEC));
  const Fd key(open(tls.key.c_str(), O_RDONLY | O_CLOEXEC));
  if (!certificate || !key)
    return Error(Code::not_found,
                 "cannot open the TLS certificate or its key: " + std::string(std::strerror(errno)));
  if (auto kept = is_kept_secret(key.get(), tls.key.native()); !kept) return kept;
  const std::array files{certificate.get(), key.get()};
  if (!channel.send(ipc::encode_reload(), files)) channel.shutdown();
  return Done{};
}

}  // namespace coprotect::agent
