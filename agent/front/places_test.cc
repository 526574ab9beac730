#include "agent/front/places.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <set>

#include "agent/front/source.h"

namespace coprotect::agent::front {
namespace {

using std::chrono::seconds;

std::vector<int> cut_sockets;
std::set<int> silent_sockets;

class PlacesTest : public testing::Test {
 protected:
  PlacesTest() {
    cut_sockets.clear();
    silent_sockets.clear();
  }
  static std::uint64_t received(int socket) { return silent_sockets.contains(socket) ? 0 : 1; }

  static void note(int socket) { cut_sockets.push_back(socket); }
  void stranger(int socket, const std::string& source) {
    places_.opened(socket, source, Clock::time_point(seconds(++now_)));
  }
  Status verify(int socket, const std::string& key, bool is_agent = false) {
    return places_.verified(socket, {.certificate = {}, .key = key, .valid_until = 0, .is_agent = is_agent},
                            Clock::time_point(seconds(++now_)));
  }
  Status client(int socket, const std::string& key, bool is_agent = false) {
    stranger(socket, "192.0.2.1");
    return verify(socket, key, is_agent);
  }
  void busy(int first, int last) {
    for (int socket = first; socket <= last; ++socket) places_.busy(socket);
  }

  Places places_{{.connections = 16,
                  .connections_for_strangers = 4,
                  .connections_per_address = 2,
                  .connections_for_peers = 3},
                 &note,
                 &received};
  int now_ = 0;
};

using Sockets = std::vector<int>;

TEST_F(PlacesTest, OldestOfAnAddressGivesWayToItsNext) {
  stranger(1, "b");
  stranger(2, "a");
  stranger(3, "a");
  stranger(4, "a");
  EXPECT_EQ(cut_sockets, Sockets{2});
  EXPECT_EQ(places_.closing(), 1u);
  places_.closed(2);
  EXPECT_EQ(places_.closing(), 0u);
  stranger(5, "a");
  EXPECT_EQ(cut_sockets, (Sockets{2, 3}));
}

TEST_F(PlacesTest, SourceWithMostStrangersGivesWay) {
  stranger(1, "a");
  stranger(2, "b");
  stranger(3, "c");
  stranger(4, "c");
  stranger(5, "d");
  EXPECT_EQ(cut_sockets, Sockets{3});
  stranger(6, "e");  // one each: the oldest
  EXPECT_EQ(cut_sockets, (Sockets{3, 1}));
}

TEST_F(PlacesTest, SilentStrangerGivesWayToThoseWhoSpeak) {
  silent_sockets = {3, 4};
  for (int socket = 1; socket <= 4; ++socket) stranger(socket, std::to_string(socket));
  stranger(5, "5");
  EXPECT_EQ(cut_sockets, Sockets{3});
  stranger(6, "6");
  EXPECT_EQ(cut_sockets, (Sockets{3, 4}));
  stranger(7, "7");
  EXPECT_EQ(cut_sockets, (Sockets{3, 4, 1}));
}

// It may still be about to speak.
TEST_F(PlacesTest, SilentStrangerHasAMoment) {
  silent_sockets = {4};
  const Clock::time_point start(seconds(1000));
  for (int socket = 1; socket <= 4; ++socket) places_.opened(socket, std::to_string(socket), start);
  places_.closed(1);
  places_.opened(1, "1", start - seconds(1));
  places_.opened(5, "5", start + std::chrono::milliseconds(200));
  EXPECT_EQ(cut_sockets, Sockets{1});
  places_.opened(6, "6", start + std::chrono::milliseconds(300));
  EXPECT_EQ(cut_sockets, (Sockets{1, 4}));
}

TEST_F(PlacesTest, VerifiedConnectionIsNoStranger) {
  for (int socket = 1; socket <= 5; ++socket) EXPECT_TRUE(client(socket, "alice"));
  for (int socket = 11; socket <= 14; ++socket) stranger(socket, std::to_string(socket));
  EXPECT_EQ(cut_sockets, Sockets{});
}

// 16 connections: 4 for strangers, 3 for agents, 9 for clients.
TEST_F(PlacesTest, LongestIdleConnectionGivesWay) {
  for (int socket = 1; socket <= 9; ++socket) ASSERT_TRUE(client(socket, "alice"));
  places_.busy(1);
  EXPECT_TRUE(client(10, "alice"));
  EXPECT_EQ(cut_sockets, Sockets{2});
  busy(3, 10);
  const auto placed = client(11, "alice");
  ASSERT_FALSE(placed);
  EXPECT_EQ(placed.error().code(), Code::unavailable);
  places_.idle(5, Clock::time_point(seconds(100)));
  EXPECT_TRUE(verify(11, "alice"));
  EXPECT_EQ(cut_sockets, (Sockets{2, 5}));
}

TEST_F(PlacesTest, RefusedRequestDoesNotCountAsUse) {
  for (int socket = 1; socket <= 9; ++socket) ASSERT_TRUE(client(socket, "alice"));
  places_.idle(1, Clock::time_point(seconds(100)));
  EXPECT_TRUE(client(10, "alice"));
  EXPECT_EQ(cut_sockets, Sockets{1});
}

TEST_F(PlacesTest, ClientWithMostConnectionsGivesWay) {
  for (int socket = 1; socket <= 3; ++socket) ASSERT_TRUE(client(socket, "alice"));
  for (int socket = 4; socket <= 9; ++socket) ASSERT_TRUE(client(socket, "bob"));
  EXPECT_TRUE(client(10, "carol"));
  EXPECT_EQ(cut_sockets, Sockets{4});
  busy(4, 9);
  EXPECT_TRUE(client(11, "carol"));  // those who have more are busy
  EXPECT_EQ(cut_sockets, (Sockets{4, 1}));
}

TEST_F(PlacesTest, ClientsAndAgentsTakeNoPlacesOfEachOther) {
  for (int socket = 1; socket <= 9; ++socket) ASSERT_TRUE(client(socket, "alice"));
  busy(1, 9);
  for (int socket = 21; socket <= 23; ++socket) EXPECT_TRUE(client(socket, "peer", true));
  EXPECT_FALSE(client(10, "bob"));
  EXPECT_EQ(cut_sockets, Sockets{});
  EXPECT_TRUE(client(24, "another peer", true));
  EXPECT_EQ(cut_sockets, Sockets{21});
  busy(21, 24);
  EXPECT_FALSE(client(25, "another peer", true));
}

TEST_F(PlacesTest, LimitsCanChange) {
  ASSERT_TRUE(client(1, "alice"));
  busy(1, 1);
  places_.use({.connections = 3, .connections_for_strangers = 1, .connections_for_peers = 1});
  EXPECT_FALSE(client(2, "alice"));
}

TEST_F(PlacesTest, SocketThatComesAgainIsCountedOnce) {
  for (int i = 0; i < 10; ++i) stranger(1, "a");
  EXPECT_EQ(cut_sockets, Sockets{});
}

sockaddr_storage v6(std::initializer_list<unsigned> words) {
  sockaddr_storage storage{};
  auto* const address = reinterpret_cast<sockaddr_in6*>(&storage);
  address->sin6_family = AF_INET6;
  std::size_t at = 0;
  for (const unsigned word : words) {
    address->sin6_addr.s6_addr[at++] = static_cast<std::uint8_t>(word >> 8);
    address->sin6_addr.s6_addr[at++] = static_cast<std::uint8_t>(word);
  }
  return storage;
}

TEST(Source, IsAnAddressOrANetwork) {
  sockaddr_storage storage{};
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&storage);
  v4->sin_family = AF_INET;
  v4->sin_addr.s_addr = htonl(0xc0000207);
  EXPECT_EQ(source_of(storage), "192.0.2.7");
  EXPECT_EQ(source_of(v6({0x2001, 0xdb8, 1, 2, 3, 4, 5, 6})), "2001:db8:1:2::/64");
  EXPECT_EQ(source_of(v6({0x2001, 0xdb8, 1, 2, 9, 9, 9, 9})), "2001:db8:1:2::/64");
  EXPECT_EQ(source_of(v6({0, 0, 0, 0, 0, 0xffff, 0xc000, 0x207})), "192.0.2.7");
}

}  // namespace
}  // namespace coprotect::agent::front
