#include "agent/ipc/messages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace coprotect::agent::ipc {
namespace {

const std::string kHexId(64, 'a');

Call example_call() {
  return {.id = 7,
          .route = Route::partial_decrypt,
          .subject = kHexId,
          .peer_certificate = {0x30, 0x01},
          .authority = kHexId,
          .budget_ms = 30'000,
          .body = {1, 2, 3}};
}

Reply example_reply(std::optional<Error> error) {
  Reply reply{.id = 9, .error = std::move(error), .request_id = "0123456789abcdef", .body = {}};
  if (!reply.error) reply.body = {4, 5};
  if (reply.error) reply.retry_after_seconds = 5;
  return reply;
}

// Expects a refusal of the frame with its last byte missing, or one byte too many.
void refuses_other_lengths(const Bytes& frame, const std::function<bool(ByteView)>& parses) {
  ASSERT_TRUE(parses(frame));
  for (std::size_t n = 0; n < frame.size(); ++n) EXPECT_FALSE(parses(ByteView(frame).first(n))) << n;
  Bytes longer = frame;
  longer.push_back(0);
  EXPECT_FALSE(parses(longer));
}

TEST(IpcMessages, CallRoundTrips) {
  const Call call = example_call();
  const auto parsed = Call::parse(call.encode());
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->id, call.id);
  EXPECT_EQ(parsed->route, call.route);
  EXPECT_EQ(parsed->subject, call.subject);
  EXPECT_EQ(parsed->peer_certificate, call.peer_certificate);
  EXPECT_EQ(parsed->authority, call.authority);
  EXPECT_EQ(parsed->budget_ms, call.budget_ms);
  EXPECT_EQ(parsed->body, call.body);
  refuses_other_lengths(call.encode(), [](ByteView f) { return static_cast<bool>(Call::parse(f)); });
}

TEST(IpcMessages, CallRefusesAnUnknownRoute) {
  Bytes frame = example_call().encode();
  for (const int route : {0, 25, 255}) {
    frame[9] = static_cast<std::uint8_t>(route);
    EXPECT_FALSE(Call::parse(frame)) << route;
  }
}

TEST(IpcMessages, SubjectSuitsTheRoute) {
  EXPECT_TRUE(valid_subject(Route::health, ""));
  EXPECT_FALSE(valid_subject(Route::health, "x"));
  EXPECT_TRUE(valid_subject(Route::prepare, kHexId));
  EXPECT_FALSE(valid_subject(Route::prepare, ""));
  EXPECT_FALSE(valid_subject(Route::prepare, std::string(64, 'A')));
  EXPECT_FALSE(valid_subject(Route::prepare, std::string(63, 'a')));
  EXPECT_FALSE(valid_subject(Route::bundle, "../../../etc/passwd"));
  EXPECT_TRUE(valid_subject(Route::client_list_put, "acme-1"));
  EXPECT_FALSE(valid_subject(Route::client_list_put, ""));
  EXPECT_FALSE(valid_subject(Route::client_list_put, "Acme"));
  EXPECT_FALSE(valid_subject(Route::client_list_get, std::string(65, 'a')));
  EXPECT_TRUE(valid_subject(Route::key_list_get, "acme-1"));
  EXPECT_FALSE(valid_subject(Route::key_list_put, kHexId.substr(0, 63) + "A"));

  Call call = example_call();
  call.subject = "acme";
  EXPECT_FALSE(Call::parse(call.encode()));
}

TEST(IpcMessages, CallRefusesWhatIsTooLarge) {
  Call call = example_call();
  call.body.resize(kMaxBody);
  EXPECT_TRUE(Call::parse(call.encode()));
  EXPECT_LE(call.encode().size(), kMaxFrame);
  call.body.resize(kMaxBody + 1);
  EXPECT_FALSE(Call::parse(call.encode()));
  call = example_call();
  call.peer_certificate.resize(kMaxCertificate + 1);
  EXPECT_FALSE(Call::parse(call.encode()));
}

TEST(IpcMessages, ReplyRoundTripsWithEachCode) {
  const auto good = Reply::parse(example_reply(std::nullopt).encode());
  ASSERT_TRUE(good);
  EXPECT_FALSE(good->error);
  EXPECT_EQ(good->body, (Bytes{4, 5}));
  for (int code = 0; code <= static_cast<int>(Code::internal); ++code) {
    const auto bad = Reply::parse(example_reply(Error(static_cast<Code>(code), "why")).encode());
    ASSERT_TRUE(bad);
    ASSERT_TRUE(bad->error);
    EXPECT_EQ(bad->error->code(), static_cast<Code>(code));
    EXPECT_EQ(bad->error->message(), "why");
  }
  refuses_other_lengths(example_reply(Error(Code::denied, "no")).encode(),
                        [](ByteView f) { return static_cast<bool>(Reply::parse(f)); });
}

TEST(IpcMessages, ReplyRefusesAnUnknownCodeAndAnUnfitRequestId) {
  Bytes frame = example_reply(Error(Code::denied, "no")).encode();
  frame[9] = static_cast<std::uint8_t>(static_cast<int>(Code::internal) + 2);
  EXPECT_FALSE(Reply::parse(frame));

  for (const std::string id : {"", "0123456789ABCDEF", "0123456789abcde", "0123456789abcde\n"}) {
    Reply reply = example_reply(std::nullopt);
    reply.request_id = id;
    EXPECT_FALSE(Reply::parse(reply.encode())) << id;
  }
}

TEST(IpcMessages, ReplyCutsALongMessage) {
  const auto reply = Reply::parse(example_reply(Error(Code::internal, std::string(100'000, 'x'))).encode());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->error->message().size(), 4096u);
}

TEST(IpcMessages, ReplyWithTooLongABodyIsAnError) {
  Reply reply = example_reply(std::nullopt);
  reply.body = Bytes(kMaxBody);
  EXPECT_FALSE(Reply::parse(reply.encode())->error);
  reply.body.push_back(0);
  const auto parsed = Reply::parse(reply.encode());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->id, reply.id);
  ASSERT_TRUE(parsed->error);
  EXPECT_EQ(parsed->error->code(), Code::unavailable);
  EXPECT_TRUE(parsed->body.empty());
}

TEST(IpcMessages, TrustRoundTrips) {
  const Trust trust{.authorities = {Bytes{1, 2}, Bytes(3000, 3)}, .peers = {Bytes{4}}};
  const auto parsed = Trust::parse(trust.encode());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->authorities, trust.authorities);
  EXPECT_EQ(parsed->peers, trust.peers);
  EXPECT_TRUE(Trust::parse(Trust{}.encode()));
  EXPECT_FALSE(Trust::parse(Trust{.authorities = {Bytes{}}, .peers = {}}.encode()));
  EXPECT_FALSE(Trust::parse(Trust{.authorities = {}, .peers = {Bytes{}}}.encode()));
  EXPECT_FALSE(Trust::parse(Bytes{3, 0xff, 0xff, 0xff, 0xff}));  // a count that lies
  refuses_other_lengths(trust.encode(), [](ByteView f) { return static_cast<bool>(Trust::parse(f)); });
}

TEST(IpcMessages, ForwardRoundTrips) {
  const Forward forward{.id = 11,
                        .url = "https://company.example:8443",
                        .identity_certificate = {0x30, 0x01},
                        .key_id = {7, 8},
                        .budget_ms = 24'000,
                        .body = {1, 2, 3}};
  const auto parsed = Forward::parse(forward.encode());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->id, forward.id);
  EXPECT_EQ(parsed->url, forward.url);
  EXPECT_EQ(parsed->identity_certificate, forward.identity_certificate);
  EXPECT_EQ(parsed->key_id, forward.key_id);
  EXPECT_EQ(parsed->budget_ms, forward.budget_ms);
  EXPECT_EQ(parsed->body, forward.body);
  refuses_other_lengths(forward.encode(), [](ByteView f) { return static_cast<bool>(Forward::parse(f)); });

  Forward other = forward;
  other.route = PeerRoute::peer_state;
  EXPECT_EQ(Forward::parse(other.encode())->route, PeerRoute::peer_state);
  other.route = static_cast<PeerRoute>(3);
  EXPECT_FALSE(Forward::parse(other.encode()));
  Forward large = forward;
  large.body.resize(kMaxBody);
  EXPECT_TRUE(Forward::parse(large.encode()));
  EXPECT_LE(large.encode().size(), kMaxFrame);
  large.body.resize(kMaxBody + 1);
  EXPECT_FALSE(Forward::parse(large.encode()));
}

TEST(IpcMessages, ForwardedRoundTrips) {
  const Forwarded good{.id = 12, .error = std::nullopt, .body = {4, 5}};
  const auto parsed = Forwarded::parse(good.encode());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->id, good.id);
  EXPECT_FALSE(parsed->error);
  EXPECT_EQ(parsed->body, good.body);
  Forwarded bad{.id = 12, .error = Error(Code::unavailable, "cannot connect"), .body = {}};
  const auto why = Forwarded::parse(bad.encode());
  ASSERT_TRUE(why && why->error);
  EXPECT_EQ(why->error->code(), Code::unavailable);
  EXPECT_EQ(why->error->message(), "cannot connect");
  for (const Forwarded& message : {good, bad})
    refuses_other_lengths(message.encode(),
                          [](ByteView f) { return static_cast<bool>(Forwarded::parse(f)); });
  bad.body = {1};  // an error with an answer
  EXPECT_FALSE(Forwarded::parse(bad.encode()));
}

TEST(IpcMessages, ReadyRoundTrips) {
  EXPECT_EQ(Ready::parse(Ready{.port = 8443}.encode())->port, 8443);
  refuses_other_lengths(Ready{.port = 1}.encode(),
                        [](ByteView f) { return static_cast<bool>(Ready::parse(f)); });
}

TEST(IpcMessages, LimitsRoundTrip) {
  const Limits limits{
      .request_seconds = 1, .connections = 7, .body_mib_per_client = 100'000, .body_mib_per_tenant = 99'999};
  EXPECT_EQ(*Limits::parse(limits.encode()), limits);
  refuses_other_lengths(limits.encode(), [](ByteView f) { return static_cast<bool>(Limits::parse(f)); });
  EXPECT_FALSE(Limits::parse(Limits{.requests = 0}.encode()));
  EXPECT_FALSE(Limits::parse(Limits{.requests = 100'001}.encode()));
  EXPECT_FALSE(Limits::parse(Limits{.connections = 1}.encode()));
}

TEST(IpcMessages, LimitsOfFewConnectionsLeaveSomeToEach) {
  const Limits limits{};
  EXPECT_EQ(limits.places_for_strangers(), 250u);
  EXPECT_EQ(limits.places_for_peers(), 64u);
  EXPECT_EQ(limits.places_for_clients(), 686u);
  const Limits few{.connections = 8};
  EXPECT_EQ(few.places_for_strangers(), 4u);
  EXPECT_EQ(few.places_for_peers(), 2u);
  const Limits two{.connections = 2};
  EXPECT_EQ(two.places_for_strangers(), 1u);
  EXPECT_EQ(two.places_for_peers(), 0u);
  EXPECT_EQ(two.places_for_clients(), 1u);
}

TEST(IpcMessages, LimitsHaveToFitIntoTheProcess) {
  const Limits limits{.connections = 500};
  EXPECT_TRUE(limits.fit_into(1524));
  const auto refused = limits.fit_into(1523);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "500 connections need 1524 open files, and the system lets this process have 1523");
}

TEST(IpcMessages, KindIsTheFirstByte) {
  EXPECT_EQ(*kind_of(example_call().encode()), Kind::call);
  EXPECT_EQ(*kind_of(encode_reload()), Kind::reload);
  EXPECT_EQ(*kind_of(encode_stop()), Kind::stop);
  EXPECT_FALSE(kind_of(Bytes{}));
  EXPECT_FALSE(kind_of(Bytes{0}));
  EXPECT_FALSE(kind_of(Bytes{14}));
  EXPECT_FALSE(Reply::parse(example_call().encode()));
  EXPECT_FALSE(Call::parse(Trust{}.encode()));
}

TEST(PingMessage, RoundTripsAsItsKindAlone) {
  for (const auto& [kind, other] : {std::pair{Kind::ping, Kind::pong}, std::pair{Kind::pong, Kind::ping}}) {
    const Bytes frame = Ping{.number = 7}.encode(kind);
    EXPECT_EQ(*kind_of(frame), kind);
    ASSERT_TRUE(Ping::parse(kind, frame));
    EXPECT_EQ(Ping::parse(kind, frame)->number, 7u);
    EXPECT_FALSE(Ping::parse(other, frame));
    EXPECT_FALSE(Ping::parse(kind, ByteView(frame).first(frame.size() - 1)));
  }
}

TEST(GivenUpMessage, RoundTrips) {
  const Bytes frame = GivenUp{.id = 7}.encode();
  EXPECT_EQ(*kind_of(frame), Kind::given_up);
  ASSERT_TRUE(GivenUp::parse(frame));
  EXPECT_EQ(GivenUp::parse(frame)->id, 7u);
  EXPECT_FALSE(GivenUp::parse(ByteView(frame).first(frame.size() - 1)));
  EXPECT_FALSE(GivenUp::parse(Ping{.number = 7}.encode(Kind::ping)));
}

TEST(UsageMessage, RoundTrips) {
  Usage usage;
  usage[FrontLimit::connections] = {.use = 3, .hits = 1};
  usage[FrontLimit::body_mib_per_tenant] = {.use = 5, .hits = std::uint64_t{1} << 40};
  const Bytes frame = usage.encode();
  EXPECT_EQ(*kind_of(frame), Kind::usage);
  ASSERT_TRUE(Usage::parse(frame));
  EXPECT_EQ(*Usage::parse(frame), usage);
  EXPECT_FALSE(Usage::parse(ByteView(frame).first(frame.size() - 1)));
  Bytes longer = frame;
  longer.push_back(0);
  EXPECT_FALSE(Usage::parse(longer));
  EXPECT_FALSE(Usage::parse(Ping{.number = 7}.encode(Kind::ping)));
}

TEST(ReplyMessage, SaysWhenToTryAgainOnlyOfAnError) {
  const auto refused = Reply::parse(example_reply(Error(Code::unavailable, "later")).encode());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->retry_after_seconds, 5u);
  Reply answer = example_reply(std::nullopt);
  answer.retry_after_seconds = 5;
  EXPECT_FALSE(Reply::parse(answer.encode()));
}

}  // namespace
}  // namespace coprotect::agent::ipc
