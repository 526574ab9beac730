#include "hsm/token.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "hsm/durable_file.h"
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

  Result<Turn> take(Deadline deadline) {
    std::unique_lock lock(mutex_);
    if (!free_.wait_until(lock, deadline, [this] { return !taken_; }))
      return Error(Code::unavailable, "the token is busy");
    taken_ = true;
    return Turn(this);
  }

  // The following are for the one whose turn it is.

  // The stamp of the PIN file whose PIN the token refused, empty if there is none.
  Result<Bytes> refused_pin(const std::filesystem::path& file) const {
    if (file.empty()) return refused_pin_;
    auto written = read_file(file, kPinFileStampSize);
    if (!written && written.error().code() == Code::not_found) return refused_pin_;
    if (written && written->size() != kPinFileStampSize)
      return Error(Code::altered, "\"" + file.string() +
                                      "\" does not say which PIN the token refused: remove it if the PIN "
                                      "in the PIN file is right");
    return written;
  }

  Status note_refused_pin(const std::filesystem::path& file, Bytes stamp) {
    refused_pin_ = std::move(stamp);
    if (file.empty()) return Done{};
    return replace_file(file, refused_pin_);
  }

  // The PIN file has changed since, and its PIN is right.
  void forget_refused_pin(const std::filesystem::path& file) {
    refused_pin_.clear();
    // A mark that stays refuses nothing: it is another file's.
    if (!file.empty()) static_cast<void>(remove_file(file));
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
  Bytes refused_pin_;
};

Token::Token(TokenConfig config) : config_(std::move(config)), turns_(std::make_shared<Turns>()) {}

Token Token::named(std::string name) const {
  Token token = *this;
  token.name_ = std::move(name);
  return token;
}

Result<TokenReply> Token::call(TokenOperation operation, ByteView subject) const {
  if (config_.uri.size() > kMaxTokenUri) return Error(Code::malformed, "the token's URI is too long");
  const Deadline deadline = std::chrono::steady_clock::now() + config_.timeout;
  const auto turn = turns_->take(deadline);
  if (!turn) return turn.error();
  const bool needs_pin = operation != TokenOperation::probe;
  auto not_to_try = needs_pin ? turns_->refused_pin(config_.refused_pin) : Result<Bytes>(Bytes{});
  if (!not_to_try) return std::move(not_to_try).error();
  auto helper = HelperProcess::start(config_.helper);
  if (!helper) return std::move(helper).error();
  const TokenRequest request{.operation = operation,
                             .uri = config_.uri,
                             .name = name_,
                             .refused = *not_to_try,
                             .subject = Bytes(subject.begin(), subject.end())};
  const auto encoded = helper->exchange(request.encode(), deadline);
  if (!encoded) return encoded.error();
  Bytes refused;
  auto reply = TokenReply::parse(operation, encoded->reveal(), &refused);
  if (!refused.empty()) {
    if (auto noted = turns_->note_refused_pin(config_.refused_pin, std::move(refused)); !noted)
      return Error(Code::wrong_code, reply.error().message() + "; " + noted.error().message());
  } else if (reply && !not_to_try->empty()) {
    turns_->forget_refused_pin(config_.refused_pin);
  }
  return reply;
}

Result<SealedKey> Token::seal_new_key() const {
  auto reply = call(TokenOperation::seal_new_key, {});
  if (!reply) return std::move(reply).error();
  return SealedKey{
      .key = std::move(reply->key), .sealed = std::move(reply->sealed), .name = std::move(reply->name)};
}

Result<Secret> Token::unseal(ByteView sealed) const {
  if (sealed.empty() || sealed.size() > kMaxSealedKey) return Error(Code::altered, "not a sealed key");
  auto reply = call(TokenOperation::unseal, sealed);
  if (!reply) return std::move(reply).error();
  return std::move(reply->key);
}

Result<SealedKey> Token::make_root(const RootId& id) const {
  auto reply = call(TokenOperation::make_root, id);
  if (!reply) return std::move(reply).error();
  return SealedKey{
      .key = std::move(reply->key), .sealed = std::move(reply->sealed), .name = std::move(reply->name)};
}

Status Token::destroy_root(const RootId& id) const {
  auto reply = call(TokenOperation::destroy_root, id);
  if (!reply) return std::move(reply).error();
  return Done{};
}

Status Token::probe() const {
  auto reply = call(TokenOperation::probe, {});
  if (!reply) return std::move(reply).error();
  return Done{};
}

}  // namespace coprotect::hsm
