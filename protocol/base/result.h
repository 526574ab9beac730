#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace coprotect {

// What the caller can do about a failure. Add a value only if a caller acts on it. The names from code_name()
// are on the wire (agent/API.md) and never change.
enum class Code {
  malformed,        // the bytes are not what they claim to be; a retry cannot help
  unauthenticated,  // the signature, certificate or MAC is invalid
  denied,           // authenticated, but the policy forbids it
  replayed,         // this request has already been answered
  stale,            // the request's time is too far from the agent's clock
  not_found,        // no such key, file or ceremony
  conflict,         // the state does not allow it: already exists, wrong epoch, ceremony in another state
  altered,          // a file, header or store is not what its author wrote
  bad_proof,        // a party's cryptographic proof is invalid; the message names the party
  wrong_code,       // recovery code, passphrase or PIN
  locked_out,       // the token refuses further attempts for now
  limited,          // a limit is reached; retry later
  unavailable,      // a token, a peer or the disk does not respond; retry
  internal,         // a defect, or a state that must not occur
};

// The stable name of a code, e.g. "bad-proof".
constexpr std::string_view code_name(Code code) {
  switch (code) {
    case Code::malformed:
      return "malformed";
    case Code::unauthenticated:
      return "unauthenticated";
    case Code::denied:
      return "denied";
    case Code::replayed:
      return "replayed";
    case Code::stale:
      return "stale";
    case Code::not_found:
      return "not-found";
    case Code::conflict:
      return "conflict";
    case Code::altered:
      return "altered";
    case Code::bad_proof:
      return "bad-proof";
    case Code::wrong_code:
      return "wrong-code";
    case Code::locked_out:
      return "locked-out";
    case Code::limited:
      return "limited";
    case Code::unavailable:
      return "unavailable";
    case Code::internal:
      return "internal";
  }
  return "internal";
}

class Error {
 public:
  Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // Returns this error with "where: " before its message.
  Error in(std::string_view where) && { return {code_, std::string(where) + ": " + std::move(message_)}; }

 private:
  Code code_;
  std::string message_;
};

// A T, or the Error that prevented it. The interface is a subset of std::expected, except that reading the
// wrong alternative aborts in every build.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }

  T& operator*() & { return *checked<0>(); }
  const T& operator*() const& { return *checked<0>(); }
  T&& operator*() && { return std::move(*checked<0>()); }
  T* operator->() { return checked<0>(); }
  const T* operator->() const { return checked<0>(); }

  const Error& error() const& { return *checked<1>(); }
  Error&& error() && { return std::move(*checked<1>()); }

 private:
  template <std::size_t I>
  auto* checked() {
    auto* p = std::get_if<I>(&state_);
    if (p == nullptr) std::abort();
    return p;
  }
  template <std::size_t I>
  const auto* checked() const {
    auto* p = std::get_if<I>(&state_);
    if (p == nullptr) std::abort();
    return p;
  }

  std::variant<T, Error> state_;
};

struct Done {};
using Status = Result<Done>;

// Aborts unless a condition that the code itself guarantees is true. Never for input.
inline void invariant(bool holds) {
  if (!holds) std::abort();
}

}  // namespace coprotect
