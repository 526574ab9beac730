#include "client/files/body_file.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "client/files/fd.h"
#include "protocol/base/dead_stack.h"

namespace coprotect::client {
namespace {

// The windows of one body, assigned to threads one by one.
class Windows {
 public:
  Windows(const protocol::BodyKey& key, Direction direction, FileRange in, std::uint64_t in_size,
          FileRange out, Progress& progress)
      : key_(key), direction_(direction), in_(in), in_size_(in_size), out_(out), progress_(progress) {}

  std::uint64_t count() const { return in_size_ / input_window(direction_) + 1; }

  // The work of each thread.
  void work() {
    const WipesDeadStack schedule;
    WindowCipher cipher(key_, direction_);
    Bytes in(input_window(direction_));
    Bytes out(output_window(direction_));
    for (std::uint64_t i = next_++; i < count() && !failed_; i = next_++) {
      if (auto done = transform(i, cipher, in, out); !done) return fail(std::move(done).error());
    }
  }
  Status outcome() {
    if (error_) return *error_;
    return Done{};
  }

 private:
  Status transform(std::uint64_t i, WindowCipher& cipher, std::span<std::uint8_t> in,
                   std::span<std::uint8_t> out) {
    const std::uint64_t start = i * input_window(direction_);
    const std::size_t size = std::min<std::uint64_t>(input_window(direction_), in_size_ - start);
    const auto read = read_full_at(in_.fd, in.first(size), in_.offset + start);
    if (!read) return read.error();
    if (*read != size) return Error(Code::conflict, "became shorter while it was read");
    const auto written = cipher.transform(i, in.first(size), out);
    if (!written) return written.error();
    progress_.add(size);
    return write_all_at(out_.fd, out.first(*written), out_.offset + i * output_window(direction_));
  }
  void fail(Error error) {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    if (!error_) error_ = std::move(error);
  }

  const protocol::BodyKey& key_;
  const Direction direction_;
  const FileRange in_;
  const std::uint64_t in_size_;
  const FileRange out_;
  Progress& progress_;
  std::atomic<std::uint64_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::optional<Error> error_;
};

}  // namespace

Status transform_file(const protocol::BodyKey& key, Direction direction, FileRange in, std::uint64_t in_size,
                      FileRange out, Progress& progress) {
  Windows windows(key, direction, in, in_size, out, progress);
  const std::uint64_t helpers = std::min<std::uint64_t>(worker_count(), windows.count()) - 1;
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < helpers; ++i) threads.emplace_back([&windows] { windows.work(); });
  windows.work();
  threads.clear();  // joins
  return windows.outcome();
}

}  // namespace coprotect::client
