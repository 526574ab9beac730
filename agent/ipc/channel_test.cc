#include "agent/ipc/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "agent/ipc/messages.h"

namespace coprotect::agent::ipc {
namespace {

struct Ends {
  Ends() {
    auto pair = Channel::make_pair();
    a = std::make_unique<Channel>(std::move(pair->first));
    b = std::make_unique<Channel>(std::move(pair->second));
  }
  std::unique_ptr<Channel> a;
  std::unique_ptr<Channel> b;
};

// One end is a channel, the other a bare socket that can send anything.
struct Hostile {
  Hostile() {
    auto pair = Channel::make_pair();
    channel = std::make_unique<Channel>(std::move(pair->first));
    socket = std::move(pair->second);
  }
  void write(ByteView bytes) const {
    ASSERT_EQ(::write(socket.get(), bytes.data(), bytes.size()), std::ssize(bytes));
  }
  std::unique_ptr<Channel> channel;
  Fd socket;
};

TEST(Channel, CarriesFramesInOrder) {
  Ends ends;
  ASSERT_TRUE(ends.a->send(Bytes{1}));
  ASSERT_TRUE(ends.a->send(Bytes{2, 3}));
  EXPECT_EQ(*ends.b->receive(), Bytes{1});
  EXPECT_EQ(*ends.b->receive(), (Bytes{2, 3}));
}

TEST(Channel, CarriesTheLargestFrame) {
  Ends ends;
  Bytes frame(kMaxFrame);
  for (std::size_t i = 0; i < frame.size(); ++i) frame[i] = static_cast<std::uint8_t>(i * 31 >> 3);
  std::jthread sender([&] { EXPECT_TRUE(ends.a->send(frame)); });
  const auto got = ends.b->receive();
  ASSERT_TRUE(got);
  EXPECT_TRUE(*got == frame);
}

TEST(Channel, SendsNoLargerOne) {
  Ends ends;
  EXPECT_EQ(ends.a->send(Bytes(kMaxFrame + 1)).error().code(), Code::internal);
  ASSERT_TRUE(ends.a->send(Bytes{1}));
  EXPECT_EQ(*ends.b->receive(), Bytes{1});
}

TEST(Channel, KeepsFramesOfSeveralSendersWhole) {
  Ends ends;
  constexpr int kSenders = 4;
  constexpr int kFrames = 200;
  std::vector<std::jthread> senders;
  for (std::uint8_t s = 0; s < kSenders; ++s)
    senders.emplace_back([&ends, s] {
      for (std::size_t i = 0; i < kFrames; ++i) EXPECT_TRUE(ends.a->send(Bytes(1 + i * 37, s)));
    });
  for (int i = 0; i < kSenders * kFrames; ++i) {
    const auto frame = ends.b->receive();
    ASSERT_TRUE(frame);
    EXPECT_EQ(*frame, Bytes(frame->size(), frame->front()));
  }
}

TEST(Channel, RefusesLengthsThatNoFrameHas) {
  for (const Bytes& prefix : {Bytes{0, 0, 0, 0}, Bytes{0xff, 0xff, 0xff, 0xff}, Bytes{0, 0x90, 0, 1}}) {
    Hostile hostile;
    hostile.write(prefix);
    const auto frame = hostile.channel->receive();
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().code(), Code::malformed);
  }
}

TEST(Channel, EndsWithTheOtherSide) {
  for (const Bytes& last : {Bytes{}, Bytes{0, 0}, Bytes{0, 0, 0, 9, 1, 2}}) {
    Hostile hostile;
    hostile.write(last);
    hostile.socket = Fd();
    const auto frame = hostile.channel->receive();
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().code(), Code::unavailable);
    EXPECT_FALSE(hostile.channel->send(Bytes{1}));  // an error, not SIGPIPE
  }
}

TEST(Channel, ShutdownWakesTheReceiver) {
  Ends ends;
  std::jthread receiver([&] { EXPECT_FALSE(ends.b->receive()); });
  ends.b->shutdown();
}

TEST(Channel, SendGivesUpOnASideThatTakesNothing) {
  Ends ends;
  ASSERT_TRUE(ends.a->limit_send(std::chrono::milliseconds(20)));
  const auto sent = ends.a->send(Bytes(kMaxFrame));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code(), Code::unavailable);
}

TEST(Channel, CarriesFilesToWhoeverAsksForThem) {
  Ends ends;
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd zero(open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const int files[] = {null.get(), zero.get()};
  ASSERT_TRUE(ends.a->send(Bytes{1}, files));
  ASSERT_TRUE(ends.a->send(Bytes{2}, files));
  ASSERT_TRUE(ends.a->send(Bytes{3}));

  std::vector<Fd> taken;
  EXPECT_EQ(*ends.b->receive(&taken), Bytes{1});
  ASSERT_EQ(taken.size(), 2u);
  char byte = 1;
  EXPECT_EQ(read(taken[0].get(), &byte, 1), 0);
  EXPECT_EQ(read(taken[1].get(), &byte, 1), 1);
  EXPECT_EQ(*ends.b->receive(), Bytes{2});
  EXPECT_EQ(*ends.b->receive(&taken), Bytes{3});
  EXPECT_EQ(taken.size(), 2u);
}

// A peer that sends descriptors to one that does not ask for them must not fill its table.
TEST(Channel, UnwantedFilesNeverArrive) {
  Ends ends;
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int files[] = {null.get()};
  const Fd before(dup(null.get()));
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(ends.a->send(Bytes{1}, files));
    ASSERT_TRUE(ends.b->receive());
  }
  const Fd after(dup(null.get()));
  EXPECT_EQ(after.get(), before.get() + 1);
}

}  // namespace
}  // namespace coprotect::agent::ipc
