#include "agent/workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>

namespace coprotect::agent {
namespace {

TEST(Workers, DoEveryJobBeforeTheyEnd) {
  std::atomic<int> done = 0;
  {
    Workers workers(3, 10, 1000);
    for (int i = 0; i < 500; ++i) workers.submit(1, [&done] { ++done; });
  }
  EXPECT_EQ(done, 500);
}

TEST(Workers, WorkBesideEachOther) {
  std::latch all(4);
  Workers workers(4, 10, 1000);
  for (int i = 0; i < 4; ++i) workers.submit(1, [&all] { all.arrive_and_wait(); });
  all.wait();
}

class FullWorkers : public testing::Test {
 protected:
  // The only thread waits for the gate.
  FullWorkers() {
    workers_.submit(1, [this] {
      started_.set_value();
      gate_.get_future().wait();
    });
    started_.get_future().wait();
  }
  // Whether submitting a job of this weight blocks until the gate is opened.
  bool waits(std::size_t weight) {
    auto submitted = std::async(std::launch::async, [this, weight] { workers_.submit(weight, [] {}); });
    const bool waited = submitted.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout;
    gate_.set_value();
    submitted.get();
    return waited;
  }

  std::promise<void> started_;
  std::promise<void> gate_;
  Workers workers_{1, 2, 100};
};

TEST_F(FullWorkers, WaitForRoomInNumber) {
  workers_.submit(1, [] {});
  workers_.submit(1, [] {});
  EXPECT_TRUE(waits(1));
}

TEST_F(FullWorkers, WaitForRoomInWeight) {
  workers_.submit(60, [] {});
  EXPECT_TRUE(waits(60));
}

TEST_F(FullWorkers, TakeOneJobWhateverItsWeight) {
  EXPECT_FALSE(waits(1000));
}

}  // namespace
}  // namespace coprotect::agent
