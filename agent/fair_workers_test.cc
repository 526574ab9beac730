#include "agent/fair_workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <stdexcept>

namespace coprotect::agent {
namespace {

using namespace std::chrono_literals;
using Turn = FairWorkers::Turn;

constexpr FairWorkers::Limits kWide{.jobs = 1000,
                                    .bytes = 1000,
                                    .jobs_of_tenant = 1000,
                                    .bytes_of_tenant = 1000,
                                    .jobs_of_client = 1000,
                                    .bytes_of_client = 1000};
const Turn kAlice{"acme", "alice"};
const Turn kBob{"acme", "bob"};
const Turn kCarol{"bolt", "carol"};

// Becomes ready when an empty job for this turn is done.
std::future<void> job_of(const Turn& turn, FairWorkers& workers) {
  const auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  EXPECT_TRUE(workers.submit(turn, 1, [done] { done->set_value(); }));
  return future;
}

TEST(FairWorkers, DoEveryJobBeforeTheyEnd) {
  std::atomic<int> done = 0;
  {
    FairWorkers workers(3, kWide);
    for (int i = 0; i < 500; ++i)
      ASSERT_TRUE(workers.submit(i % 2 == 0 ? kAlice : kCarol, 1, [&done] { ++done; }));
  }
  EXPECT_EQ(done, 500);
}

// One thread, which waits until open() is called, and the order of its later jobs.
class OneWorker : public testing::Test {
 protected:
  explicit OneWorker(const FairWorkers::Limits& limits = kWide) : workers_(std::in_place, 1u, limits) {
    EXPECT_TRUE(workers_->submit({"", "gate"}, 0, [this] {
      started_.set_value();
      gate_.get_future().wait();
    }));
    started_.get_future().wait();
  }
  Status submit(const Turn& turn, std::chrono::milliseconds takes = 0ms, std::size_t bytes = 1) {
    return workers_->submit(turn, bytes, [this, name = turn.client, takes] {
      std::this_thread::sleep_for(takes);
      done_.push_back(name);
    });
  }
  void submit_many(int jobs, const Turn& turn, std::chrono::milliseconds takes = 0ms) {
    for (int i = 0; i < jobs; ++i) ASSERT_TRUE(submit(turn, takes));
  }
  bool stuck(std::chrono::milliseconds limit) const { return workers_->stuck(limit); }
  // Runs all jobs.
  const std::vector<std::string>& open() {
    gate_.set_value();
    workers_.reset();
    return done_;
  }
  // How many jobs of others ran before the last one of this client.
  static std::size_t before(const std::vector<std::string>& done, const std::string& client) {
    std::size_t others = 0;
    std::size_t before = 0;
    for (const std::string& one : done) one == client ? before = others : ++others;
    return before;
  }

 private:
  std::promise<void> started_;
  std::promise<void> gate_;
  std::vector<std::string> done_;
  std::optional<FairWorkers> workers_;
};

TEST_F(OneWorker, LetsEachClientHaveItsTurn) {
  submit_many(60, kAlice, 2ms);
  ASSERT_TRUE(submit(kBob, 2ms));
  const auto& done = open();
  ASSERT_EQ(done.size(), 61u);
  EXPECT_LE(before(done, "bob"), 3u);
}

TEST_F(OneWorker, KnowsThatAJobDoesNotEnd) {
  EXPECT_FALSE(stuck(1h));
  std::this_thread::sleep_for(2ms);
  EXPECT_TRUE(stuck(1ms));
  open();
}

// However long the queue behind it is: one client could fill it.
TEST(FairWorkers, AreNotStuckWhileTheyWork) {
  FairWorkers workers(1, kWide);
  std::atomic<int> left = 60;
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(workers.submit(kAlice, 1, [&left] {
      std::this_thread::sleep_for(25ms);
      --left;
    }));
  }
  for (; left > 0; std::this_thread::sleep_for(5ms)) ASSERT_FALSE(workers.stuck(1s));
}

TEST(FairWorkers, AreNotStuckWithoutWork) {
  FairWorkers workers(2, kWide);
  job_of(kAlice, workers).wait();
  while (workers.stuck(0ms)) std::this_thread::sleep_for(1ms);  // until the thread has noted its end
}

TEST_F(OneWorker, CountsWhatAJobTakes) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(submit(kAlice, 40ms));
    ASSERT_TRUE(submit(kBob, 1ms));
  }
  EXPECT_LE(before(open(), "bob"), 5u);
}

TEST_F(OneWorker, SharesAmongTenantsFirst) {
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(submit({"acme", "user" + std::to_string(i)}, 2ms));
  submit_many(5, kCarol, 2ms);
  EXPECT_LE(before(open(), "carol"), 12u);
}

class FullWorker : public OneWorker {
 protected:
  FullWorker()
      : OneWorker({.jobs = 4,
                   .bytes = 100,
                   .jobs_of_tenant = 4,
                   .bytes_of_tenant = 100,
                   .jobs_of_client = 2,
                   .bytes_of_client = 60}) {}
};

TEST_F(FullWorker, RefusesOneClientBeforeOthers) {
  submit_many(2, kAlice);
  EXPECT_EQ(submit(kAlice).error().code(), Code::limited);
  ASSERT_TRUE(submit(kBob));
  ASSERT_TRUE(submit(kCarol));
  EXPECT_EQ(submit({"bolt", "dave"}).error().code(), Code::unavailable);
  EXPECT_EQ(open().size(), 4u);
}

TEST_F(FullWorker, RefusesWhatFillsItsMemory) {
  ASSERT_TRUE(submit(kAlice, 0ms, 50));
  EXPECT_EQ(submit(kAlice, 0ms, 20).error().code(), Code::limited);
  ASSERT_TRUE(submit(kBob, 0ms, 50));
  EXPECT_EQ(submit(kCarol, 0ms, 20).error().code(), Code::unavailable);
  EXPECT_EQ(open().size(), 2u);
}

TEST_F(FullWorker, TakesOneJobWhateverItsSize) {
  EXPECT_TRUE(submit(kAlice, 0ms, 1000));
  EXPECT_EQ(open().size(), 1u);
}

class WorkerOfTwoTenants : public OneWorker {
 protected:
  WorkerOfTwoTenants()
      : OneWorker({.jobs = 6,
                   .bytes = 100,
                   .jobs_of_tenant = 3,
                   .bytes_of_tenant = 60,
                   .jobs_of_client = 2,
                   .bytes_of_client = 50}) {}
};

TEST_F(WorkerOfTwoTenants, LeavesRoomForTheOther) {
  submit_many(2, kAlice);
  ASSERT_TRUE(submit(kBob));
  const auto refused = submit({"acme", "dave"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::limited);
  EXPECT_NE(refused.error().message().find("tenant"), std::string::npos) << refused.error().message();
  submit_many(2, kCarol);
  EXPECT_TRUE(submit({"bolt", "erin"}));
  EXPECT_EQ(open().size(), 6u);
}

TEST_F(WorkerOfTwoTenants, LeavesMemoryForTheOther) {
  ASSERT_TRUE(submit(kAlice, 0ms, 40));
  EXPECT_EQ(submit(kBob, 0ms, 30).error().code(), Code::limited);
  ASSERT_TRUE(submit(kBob, 0ms, 20));
  EXPECT_TRUE(submit(kCarol, 0ms, 40));
  EXPECT_EQ(open().size(), 3u);
}

TEST(FairWorkers, LeaveAThreadToOthers) {
  std::latch gate(1);
  std::atomic<int> alices = 0;
  FairWorkers workers(3, kWide);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(workers.submit(kAlice, 1, [&] {
      ++alices;
      gate.wait();
    }));
  EXPECT_EQ(job_of(kBob, workers).wait_for(10s), std::future_status::ready);
  EXPECT_LE(alices, 2);
  gate.count_down();
}

TEST(FairWorkers, OutliveAJobThatThrows) {
  FairWorkers workers(1, kWide);
  ASSERT_TRUE(workers.submit(kAlice, 1, [] { throw std::bad_alloc(); }));
  EXPECT_EQ(job_of(kAlice, workers).wait_for(10s), std::future_status::ready);
}

// A tenant that was idle while another worked does not take precedence until both have used as much.
TEST(FairWorkers, GiveNoCreditForQuietTimes) {
  FairWorkers workers(1, kWide);
  std::vector<std::string> done;
  const auto work = [&](const Turn& turn, std::latch& latch) {
    ASSERT_TRUE(workers.submit(turn, 1, [&, name = turn.client] {
      std::this_thread::sleep_for(2ms);
      done.push_back(name);
      latch.count_down();
    }));
  };
  std::latch first(50);
  for (int i = 0; i < 50; ++i) work(kAlice, first);
  first.wait();
  done.clear();
  std::latch both(20);
  for (int i = 0; i < 10; ++i) {
    work(kAlice, both);
    work(kBob, both);
  }
  both.wait();
  const auto after = [&](const char* name) {
    return std::find(done.rbegin(), done.rend(), name) - done.rbegin();
  };
  EXPECT_LE(after("alice"), 5);
  EXPECT_LE(after("bob"), 5);
}

}  // namespace
}  // namespace coprotect::agent
