#include "client/files/body_stream.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "protocol/base/dead_stack.h"

namespace coprotect::client {
namespace {

// A ring of windows. The reader fills them in order, workers transform them in any order, the writer empties
// them in order. Window i is in slot i mod the ring's size.
class Ring {
 public:
  Ring(const protocol::BodyKey& key, Direction direction, std::size_t slots)
      : key_(key), direction_(direction) {
    slots_.resize(slots);
    for (Slot& slot : slots_) {
      slot.in.resize(input_window(direction));
      slot.out.resize(output_window(direction));
    }
  }

  void read(const WindowSource& source, Progress& progress) {
    for (std::uint64_t i = 0;; ++i) {
      Slot& slot = slot_of(i);
      if (!wait([&] { return slot.state == State::empty; })) return;
      const auto size = source(slot.in);
      if (!size) return fail(size.error());
      progress.add(*size);
      const std::lock_guard lock(mutex_);
      slot.in_size = *size;
      slot.state = State::filled;
      filled_ = i + 1;
      if (*size < slot.in.size()) last_ = i;
      changed_.notify_all();
      if (last_) return;
    }
  }

  void work() {
    const WipesDeadStack schedule;
    WindowCipher cipher(key_, direction_);
    while (const auto i = take()) {
      Slot& slot = slot_of(*i);
      const auto written = cipher.transform(*i, ByteView(slot.in).first(slot.in_size), slot.out);
      if (!written) return fail(written.error());
      const std::lock_guard lock(mutex_);
      slot.out_size = *written;
      slot.state = State::done;
      changed_.notify_all();
    }
  }

  void write(const WindowSink& sink) {
    for (std::uint64_t i = 0;; ++i) {
      Slot& slot = slot_of(i);
      if (!wait([&] { return slot.state == State::done; })) return;
      if (auto written = sink(ByteView(slot.out).first(slot.out_size)); !written)
        return fail(std::move(written).error());
      const std::lock_guard lock(mutex_);
      slot.state = State::empty;
      changed_.notify_all();
      if (last_ == i) return;
    }
  }

  Status outcome() const {
    if (error_) return *error_;
    return Done{};
  }

 private:
  enum class State { empty, filled, done };
  struct Slot {
    State state = State::empty;
    Bytes in;
    std::size_t in_size = 0;
    Bytes out;
    std::size_t out_size = 0;
  };

  Slot& slot_of(std::uint64_t i) { return slots_[i % slots_.size()]; }
  // Waits until the condition holds. False if the work has failed.
  template <typename Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ || condition(); });
    return !error_;
  }
  // The number of the next filled window. Nothing if there will be none.
  std::optional<std::uint64_t> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ || taken_ < filled_ || last_; });
    if (error_ || taken_ == filled_) return std::nullopt;
    return taken_++;
  }
  void fail(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    changed_.notify_all();
  }

  const protocol::BodyKey& key_;
  const Direction direction_;
  std::vector<Slot> slots_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t filled_ = 0;
  std::uint64_t taken_ = 0;
  std::optional<std::uint64_t> last_;  // number of the last window, once it is known
  std::optional<Error> error_;
};

}  // namespace

Status transform_stream(const protocol::BodyKey& key, Direction direction, const WindowSource& source,
                        const WindowSink& sink, Progress& progress) {
  Ring ring(key, direction, worker_count() + 2);
  {
    std::vector<std::jthread> threads;
    threads.emplace_back([&] { ring.write(sink); });
    for (std::size_t i = 0; i < worker_count(); ++i) threads.emplace_back([&ring] { ring.work(); });
    ring.read(source, progress);
  }
  return ring.outcome();
}

}  // namespace coprotect::client
