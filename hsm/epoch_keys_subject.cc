// The program that epoch_keys_test.cc kills: one operation on a table of epoch keys. Arguments: token URI,
// the token's name, coprotect-token, the table's file, then "name" (prints the token's name), "recover",
// "go-on" (recover for an owner who sealed before), "check", or one of "make", "get" and "destroy" with
// epochs "KEY:EPOCH", where KEY is the number of one byte. For each epoch that it makes or gets, it prints a
// line: the first bytes of a hash of its key, or the error. The exit status is 1 if the operation failed.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "hsm/epoch_keys.h"
#include "protocol/base/arena.h"
#include "protocol/crypto/hash.h"

namespace coprotect::hsm {
namespace {

int done_or_failed(const Status& status) {
  if (!status) std::fprintf(stderr, "%s\n", status.error().message().c_str());
  return status ? 0 : 1;
}

EpochId epoch_of(const std::string& text) {
  EpochId epoch{.key_id = {}, .epoch = 0};
  epoch.key_id.fill(static_cast<std::uint8_t>(std::stoi(text)));
  epoch.epoch = static_cast<std::uint32_t>(std::stoul(text.substr(text.find(':') + 1)));
  return epoch;
}

int print(const Result<Secret>& key) {
  if (key)
    std::printf("%s\n", to_hex(protocol::hmac_sha256(key->reveal(), bytes_of("test"))).substr(0, 16).c_str());
  else
    std::printf("%s\n", std::string(code_name(key.error().code())).c_str());
  return key ? 0 : done_or_failed(key.error());
}

int run(const std::vector<std::string>& arguments) {
  const Token token = Token({.uri = arguments[0], .helper = arguments[2]}).named(arguments[1]);
  const std::string& operation = arguments[4];
  if (operation == "name") {
    const auto sealed = token.seal_new_key();
    if (sealed) std::printf("%s", sealed->name.c_str());
    return sealed ? 0 : done_or_failed(sealed.error());
  }
  EpochKeys keys(token, arguments[3]);
  if (operation == "recover") return done_or_failed(keys.recover(Sealed::never));
  if (operation == "go-on") return done_or_failed(keys.recover(Sealed::before));
  if (operation == "check") return done_or_failed(keys.check(Sealed::before));
  std::vector<EpochId> epochs;
  for (std::size_t i = 5; i < arguments.size(); ++i)
    if (arguments[i] != "-") epochs.push_back(epoch_of(arguments[i]));
  if (operation == "destroy") return done_or_failed(keys.destroy(epochs));
  int failed = 0;
  for (const EpochId& epoch : epochs)
    failed |= print(operation == "make" ? keys.get_or_make(epoch) : keys.get(epoch));
  return failed;
}

}  // namespace
}  // namespace coprotect::hsm

int main(int argc, char** argv) {
  const auto locked = coprotect::locked_memory::install();
  if (!locked || argc < 6) return 2;
  return coprotect::hsm::run({argv + 1, argv + argc});
}
