// coprotect-token: answers one request about one token, then ends. hsm::Token starts it with its channel as
// descriptor 3. Its command line is empty, except that root passes the numbers of the user and group to
// become. It is the only program that links a TPM library or loads a vendor's PKCS#11 module.

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>

#include "hsm/helper/backend.h"
#include "hsm/helper/message.h"
#include "protocol/base/arena.h"
#include "protocol/base/random.h"

namespace coprotect::hsm {
namespace {

// The token's answer, and the stamp of the PIN file if the token rejected its PIN.
struct Answer {
  Result<TokenReply> reply;
  Bytes refused;
};

// Unseals a sealed key once before returning it: a share under a key that cannot be unsealed would be lost.
Result<TokenReply> seal_new_key(Backend& backend) {
  Secret key(kWrappingKeySize);
  system_random().fill(key.fill());
  auto sealed = backend.seal(key);
  if (!sealed) return std::move(sealed).error();
  const auto again = backend.unseal(*sealed);
  if (!again) return Error(again.error()).in("the key that was just sealed");
  if (!equal_in_constant_time(*again, key)) return Error(Code::internal, "the token unsealed another key");
  auto name = backend.name();
  if (!name) return std::move(name).error();
  return TokenReply{.key = std::move(key), .sealed = *std::move(sealed), .name = *std::move(name)};
}

Result<TokenReply> unseal(Backend& backend, ByteView sealed) {
  auto key = backend.unseal(sealed);
  if (!key) return std::move(key).error();
  auto name = backend.name();
  if (!name) return std::move(name).error();
  return TokenReply{.key = *std::move(key), .sealed = {}, .name = *std::move(name)};
}

Result<RootId> root_of(const TokenRequest& request) {
  RootId id;
  if (request.subject.size() != id.size()) return Error(Code::internal, "not a root's name");
  std::copy(request.subject.begin(), request.subject.end(), id.begin());
  return id;
}

Result<TokenReply> make_root(Backend& backend, const TokenRequest& request) {
  const auto id = root_of(request);
  if (!id) return id.error();
  auto made = backend.make_root(*id);
  if (!made) return std::move(made).error();
  const auto again = backend.unseal(made->sealed);
  if (!again) return Error(again.error()).in("the root that was just made");
  if (!equal_in_constant_time(*again, made->key))
    return Error(Code::internal, "the token's root gave out another key");
  auto name = backend.name();
  if (!name) return std::move(name).error();
  return TokenReply{.key = std::move(made->key), .sealed = std::move(made->sealed), .name = *std::move(name)};
}

Result<TokenReply> destroy_root(Backend& backend, const TokenRequest& request) {
  const auto id = root_of(request);
  if (!id) return id.error();
  auto destroyed = backend.destroy_root(*id);
  if (!destroyed) return std::move(destroyed).error();
  return TokenReply{.key = Secret(0), .sealed = {}, .name = {}};
}

Result<TokenReply> probe(Backend& backend) {
  auto answers = backend.probe();
  if (!answers) return std::move(answers).error();
  return TokenReply{.key = Secret(0), .sealed = {}, .name = {}};
}

Result<TokenReply> answer_of(Backend& backend, const TokenRequest& request) {
  switch (request.operation) {
    case TokenOperation::seal_new_key:
      return seal_new_key(backend);
    case TokenOperation::unseal:
      return unseal(backend, request.subject);
    case TokenOperation::probe:
      return probe(backend);
    case TokenOperation::make_root:
      return make_root(backend, request);
    case TokenOperation::destroy_root:
      return destroy_root(backend, request);
  }
  return Error(Code::internal, "unknown operation");
}

// Updates the token's copy before reporting a key sealed, made or destroyed. Unsealing needs no copy.
Result<TokenReply> with_copy(Backend& backend, TokenOperation operation, Result<TokenReply> reply) {
  if (!reply) return reply;
  if (operation != TokenOperation::probe) {
    auto kept = backend.keep_copy(operation == TokenOperation::destroy_root);
    if (!kept && operation != TokenOperation::unseal)
      return std::move(kept).error().in("a copy of the software token");
    if (!kept) reply->notice = "the software token has no copy: " + kept.error().message();
  }
  if (reply->notice.empty()) reply->notice = backend.notice();
  return reply;
}

Answer answer(ByteView encoded) {
  const auto request = TokenRequest::parse(encoded);
  if (!request) return {request.error(), {}};
  // The sender of requests may not be the process that started this one, and a URI names a library to load.
  const char* const only = std::getenv(kOnlyToken);
  if (only != nullptr && request->uri != only)
    return {Error(Code::denied, "this helper serves another token"), {}};
  const auto backend =
      open_backend({.uri = request->uri, .name = request->name, .refused = request->refused});
  if (!backend) return {backend.error(), {}};
  auto reply = with_copy(**backend, request->operation, answer_of(**backend, *request));
  const auto& pin = (*backend)->pin();
  if (reply || reply.error().code() != Code::wrong_code || !pin) return {std::move(reply), {}};
  return {Error(Code::wrong_code, reply.error().message() + ": " + pin->advice()), pin->stamp()};
}

// The only place that catches exceptions of a library.
Answer answer_or_error(ByteView encoded) {
  try {
    return answer(encoded);
  } catch (const std::exception& thrown) {
    return {Error(Code::internal, thrown.what()), {}};
  }
}

int serve() {
  std::array<std::uint8_t, kMaxTokenMessage> request;
  const ssize_t size = recv(kTokenChannel, request.data(), request.size(), MSG_TRUNC);
  if (size <= 0 || static_cast<std::size_t>(size) > request.size()) return 1;
  const Answer answer = answer_or_error(ByteView(request).first(static_cast<std::size_t>(size)));
  const Secret reply = TokenReply::encode(answer.reply, answer.refused);
  const ssize_t sent = send(kTokenChannel, reply.reveal().data(), reply.size(), MSG_NOSIGNAL);
  return sent == static_cast<ssize_t>(reply.size()) ? 0 : 1;
}

std::optional<unsigned> number(const char* text) {
  unsigned value = 0;
  const char* const end = text + std::strlen(text);
  const auto [rest, failure] = std::from_chars(text, end, value);
  return failure == std::errc() && rest == end ? std::optional(value) : std::nullopt;
}

// With all groups of the user: one of them may own the TPM or the token's folder.
bool become(const char* user_text, const char* group_text) {
  const auto user = number(user_text);
  const auto group = number(group_text);
  if (!user || !group || *user == 0) return false;
  const passwd* const known = getpwuid(*user);
  if (known == nullptr && *group == 0) return false;
  const bool grouped =
      known != nullptr ? initgroups(known->pw_name, known->pw_gid) == 0 : setgroups(1, &*group) == 0;
  const gid_t own = known != nullptr ? known->pw_gid : *group;
  // The user chooses the code that runs here: it gets neither root's terminal nor the folder that root is in.
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const bool alone = nowhere >= 0 && dup2(nowhere, STDERR_FILENO) == STDERR_FILENO && chdir("/") == 0;
  return alone && grouped && setresgid(own, own, own) == 0 && setresuid(*user, *user, *user) == 0;
}

}  // namespace
}  // namespace coprotect::hsm

// The agent died. SoftHSM2 writes its token's files in place, and a kill in between would destroy the token:
// the current operation gets some seconds to finish.
extern "C" void end_soon(int) {
  constexpr unsigned kGraceSeconds = 5;
  alarm(kGraceSeconds);  // SIGALRM kills
}

int main(int count, char** arguments) {
  if (count > 1 && (count != 3 || !coprotect::hsm::become(arguments[1], arguments[2]))) _exit(1);
  // The arena only: foreign code needs the allocators of OpenSSL and GMP unchanged.
  const bool locked = bool(coprotect::locked_memory::install_arena_only());
  struct sigaction ends {};
  ends.sa_handler = end_soon;
  ends.sa_flags = SA_RESTART;
  if (!locked || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || sigaction(SIGTERM, &ends, nullptr) != 0 ||
      prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
    _exit(1);
  _exit(coprotect::hsm::serve());  // runs no exit handlers of foreign code
}
