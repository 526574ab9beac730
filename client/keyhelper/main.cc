// coprotect-keyd does for one program what its PKCS#11 module or OpenSSL provider must not do inside it: it
// reads the client's configuration and key, and asks the agents. client/keyclient starts it, with its channel
// as descriptor 3.
//   coprotect-keyd [IDLE_SECONDS]     how long it stays without a request; 300 by default

#include <openssl/crypto.h>

#include <charconv>
#include <csignal>
#include <iostream>
#include <string_view>

#include "client/keyclient/descriptor.h"
#include "client/keyhelper/server.h"
#include "protocol/base/arena.h"

namespace {

constexpr int kDefaultIdleSeconds = 300;
constexpr int kMaxIdleSeconds = 86'400;

int idle_seconds(int argc, char** argv) {
  if (argc == 1) return kDefaultIdleSeconds;
  const std::string_view text(argv[1]);
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool number = argc == 2 && error == std::errc() && end == text.data() + text.size();
  return number && seconds >= 1 && seconds <= kMaxIdleSeconds ? seconds : -1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace coprotect;
  if (const auto installed = locked_memory::install(); !installed) {
    std::cerr << "coprotect-keyd: error: " << installed.error().message() << std::endl;
    return 1;
  }
  // The system's OpenSSL configuration may load our own module or provider, which would start a helper, which
  // would start another one, and so on.
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) return 1;
  const int idle = idle_seconds(argc, argv);
  const bool channel = keyclient::SocketIdentity::of(keyclient::kKeydChannel).inode != 0;
  if (idle < 0 || !channel) {
    std::cerr
        << "coprotect-keyd: error: it is started by programs that use joint keys, with a channel to them"
        << std::endl;
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  try {
    keyhelper::Server(Fd(keyclient::kKeydChannel), client::default_config_file(), std::chrono::seconds(idle))
        .run();
  } catch (const std::exception& error) {
    std::cerr << "coprotect-keyd: error: " << error.what() << std::endl;
    return 1;
  }
}
