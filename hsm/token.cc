#include "hsm/token.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "hsm/durable_file.h"
#include "hsm/helper/message.h"
#include "hsm/helper_process.h"

namespace coprotect::hsm {
namespace {

constexpr const char* kNoAnswer = " does not answer";

// A probe that any token answers, in its own process. It needs no PIN, so none is tried.
bool answers_a_probe(const TokenConfig& config, const std::stop_token& stop) {
  auto helper = HelperProcess::start(config.helper, config.owner);
  if (!helper) return false;
  const TokenRequest request{
      .operation = TokenOperation::probe, .uri = config.uri, .name = {}, .refused = {}, .subject = {}};
  const Deadline deadline = std::chrono::steady_clock::now() + config.timeout;
  static_cast<void>(helper->exchange(request.encode(), deadline, stop));
  return !stop.stop_requested() && std::chrono::steady_clock::now() < deadline;
}

}  // namespace

class Token::Turns {
 public:
  explicit Turns(const TokenConfig& config)
      : timeout_(config.timeout), watch_(config.pauses, [config](const std::stop_token& stop) {
          return answers_a_probe(config, stop);
        }) {}

  TokenWatch& watch() { return watch_; }

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

  // None if its turn does not come within a call's time, or if the current call seems to have met a hanging
  // token.
  std::optional<Turn> take() {
    const auto deadline = Clock::now() + timeout_;
    std::unique_lock lock(mutex_);
    while (taken_) {
      const auto patience = std::min(deadline, begun_ + timeout_ / 2);
      if (Clock::now() >= patience) return std::nullopt;
      free_.wait_until(lock, patience);
    }
    taken_ = true;
    begun_ = Clock::now();
    return Turn(this);
  }

  // A call that was not answered in time, and whose helper is ending.
  class Late {
   public:
    explicit Late(std::shared_ptr<Turns> turns) : turns_(std::move(turns)) { ++turns_->late_; }
    Late(const Late&) = delete;
    Late& operator=(const Late&) = delete;
    ~Late() { --turns_->late_; }

   private:
    const std::shared_ptr<Turns> turns_;
  };
  bool late() const { return late_ > 0; }

  // The stamp of the PIN file whose PIN the token rejected; empty if there is none.
  Result<Bytes> refused_pin(const std::filesystem::path& file) const {
    const std::lock_guard lock(pin_mutex_);
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
    const std::lock_guard lock(pin_mutex_);
    refused_pin_ = std::move(stamp);
    if (file.empty()) return Done{};
    // A command run by root also leaves this note for the agent.
    const auto owner = other_owner(file.parent_path());
    if (!owner) return owner.error();
    return replace_file(file, refused_pin_, *owner);
  }

  std::string notice() const {
    const std::lock_guard lock(pin_mutex_);
    return notice_;
  }
  void notice(std::string notice) {
    const std::lock_guard lock(pin_mutex_);
    notice_ = std::move(notice);
  }

  // The PIN file has changed since then, and its PIN is correct.
  void forget_refused_pin(const std::filesystem::path& file) {
    const std::lock_guard lock(pin_mutex_);
    refused_pin_.clear();
    // A note that stays does no harm: it is about another version of the file.
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

  using Clock = std::chrono::steady_clock;
  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  std::condition_variable free_;
  bool taken_ = false;
  Clock::time_point begun_{};     // start of the current turn
  mutable std::mutex pin_mutex_;  // guards the next two, and the file
  Bytes refused_pin_;
  std::string notice_;
  std::atomic<int> late_ = 0;
  TokenWatch watch_;
};

Token::Token(TokenConfig config) : config_(std::move(config)), turns_(std::make_shared<Turns>(config_)) {}

Token Token::named(std::string name) const {
  Token token = *this;
  token.name_ = std::move(name);
  return token;
}

std::string Token::label() const {
  return name_.empty() ? std::string("the token") : "token \"" + name_ + "\"";
}

std::optional<TokenHang> Token::hang() const {
  const auto hang = turns_->watch().hang();
  if (!hang) return std::nullopt;
  return TokenHang{.error = {Code::unavailable, label() + " has not answered since " + hang->since +
                                                    "; it is asked again until it does"},
                   .next_probe = hang->next_probe};
}

Result<TokenReply> Token::call(TokenOperation operation, ByteView subject) const {
  if (config_.uri.size() > kMaxTokenUri) return Error(Code::malformed, "the token's URI is too long");
  if (const auto hangs = hang()) return hangs->error;
  const auto turn = turns_->take();
  if (!turn) return Error(Code::unavailable, label() + kNoAnswer + " the call before this one");
  // The previous call may have been left without an answer.
  if (const auto hangs = hang()) return hangs->error;
  // Its answer about the PIN is still pending, so the PIN is not tried meanwhile.
  const bool needs_pin = operation != TokenOperation::probe;
  if (needs_pin && turns_->late())
    return Error(Code::unavailable, label() + kNoAnswer + " the call before this one");
  auto not_to_try = needs_pin ? turns_->refused_pin(config_.refused_pin) : Result<Bytes>(Bytes{});
  if (!not_to_try) return std::move(not_to_try).error();
  auto helper = HelperProcess::start(config_.helper, config_.owner);
  if (!helper) return std::move(helper).error();
  const TokenRequest request{.operation = operation,
                             .uri = config_.uri,
                             .name = name_,
                             .refused = *not_to_try,
                             .subject = Bytes(subject.begin(), subject.end())};
  const Deadline deadline = std::chrono::steady_clock::now() + config_.timeout;
  const auto encoded = helper->exchange(request.encode(), deadline);
  if (!encoded && std::chrono::steady_clock::now() >= deadline) {
    turns_->watch().timed_out();
    helper->when_late([turns = turns_, file = config_.refused_pin, operation,
                       late = std::make_shared<Turns::Late>(turns_)](const std::optional<Secret>& reply) {
      Bytes late_refusal;
      if (reply) static_cast<void>(TokenReply::parse(operation, reply->reveal(), &late_refusal));
      if (!late_refusal.empty()) static_cast<void>(turns->note_refused_pin(file, std::move(late_refusal)));
    });
    return Error(Code::unavailable, label() + kNoAnswer);
  }
  turns_->watch().answered();
  if (!encoded) return encoded.error();
  Bytes refused;
  auto reply = TokenReply::parse(operation, encoded->reveal(), &refused);
  if (reply) turns_->notice(reply->notice);
  if (!refused.empty()) {
    if (auto noted = turns_->note_refused_pin(config_.refused_pin, std::move(refused)); !noted)
      return Error(Code::wrong_code, reply.error().message() + "; " + noted.error().message());
  } else if (reply && !not_to_try->empty()) {
    turns_->forget_refused_pin(config_.refused_pin);
  }
  return reply;
}

std::string Token::notice() const {
  return turns_->notice();
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
