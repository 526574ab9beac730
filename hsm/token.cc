#include "hsm/token.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "hsm/helper/message.h"
#include "hsm/helper_process.h"

namespace coprotect::hsm {

class Token::Turns {
 public:
  // One call's turn; ends with the object.
  class Turn {
   public:
    explicit Turn(Turns* turns) : turns_(turns) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->end();
    }

   private:
    Turns* turns_;
  };

  Result<Turn> take(TokenOperation operation, Deadline deadline) {
    std::unique_lock lock(mutex_);
    if (!free_.wait_until(lock, deadline, [this] { return !taken_; }))
      return Error(Code::unavailable, "the token is busy");
    if (pin_refused_ && operation != TokenOperation::probe)
      return Error(Code::wrong_code,
                   "the token refused the PIN before, which is not tried again until a restart");
    taken_ = true;
    return Turn(this);
  }

  void note_refused_pin() {
    const std::lock_guard lock(mutex_);
    pin_refused_ = true;
  }

 private:
  void end() {
    {
      const std::lock_guard lock(mutex_);
      taken_ = false;
    }
    free_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable free_;
  bool taken_ = false;
  bool pin_refused_ = false;
};

Token::Token(TokenConfig config) : config_(std::move(config)), turns_(std::make_shared<Turns>()) {}

Result<TokenReply> Token::call(TokenOperation operation, ByteView sealed) const {
  if (config_.uri.size() > kMaxTokenUri) return Error(Code::malformed, "the token's URI is too long");
  const Deadline deadline = std::chrono::steady_clock::now() + config_.timeout;
  const auto turn = turns_->take(operation, deadline);
  if (!turn) return turn.error();
  auto helper = HelperProcess::start(config_.helper);
  if (!helper) return std::move(helper).error();
  const TokenRequest request{
      .operation = operation, .uri = config_.uri, .sealed = Bytes(sealed.begin(), sealed.end())};
  const auto encoded = helper->exchange(request.encode(), deadline);
  if (!encoded) return encoded.error();
  auto reply = TokenReply::parse(operation, encoded->reveal());
  if (!reply && reply.error().code() == Code::wrong_code) turns_->note_refused_pin();
  return reply;
}

Result<SealedKey> Token::seal_new_key() const {
  auto reply = call(TokenOperation::seal_new_key, {});
  if (!reply) return std::move(reply).error();
  return SealedKey{.key = std::move(reply->key), .sealed = std::move(reply->sealed)};
}

Result<Secret> Token::unseal(ByteView sealed) const {
  if (sealed.empty() || sealed.size() > kMaxSealedKey) return Error(Code::altered, "not a sealed key");
  auto reply = call(TokenOperation::unseal, sealed);
  if (!reply) return std::move(reply).error();
  return std::move(reply->key);
}

Status Token::probe() const {
  auto reply = call(TokenOperation::probe, {});
  if (!reply) return std::move(reply).error();
  return Done{};
}

}  // namespace coprotect::hsm
