#include "protocol/message/request.h"

#include <gtest/gtest.h>

#include "protocol/base/writer.h"
#include "protocol/group/test_suites.h"
#include "protocol/message/test_request.h"

namespace coprotect::protocol {
namespace {

Result<SignedRequest> parse(ByteView encoded, SuiteId suite) {
  auto envelope = SignedRequest::parse_envelope(encoded);
  if (!envelope) return std::move(envelope).error();
  return (*std::move(envelope)).open(suite);
}

// Arithmetic on big-endian numbers: 2a + 1, which fits; a − b for b < a.
Bytes twice_plus_one(ByteView a) {
  Bytes sum(a.begin(), a.end());
  unsigned carry = 1;
  for (std::size_t i = sum.size(); i-- > 0; carry >>= 8) {
    carry += 2u * sum[i];
    sum[i] = static_cast<std::uint8_t>(carry);
  }
  return sum;
}
Bytes difference(ByteView a, ByteView b) {
  Bytes rest(a.begin(), a.end());
  int borrow = 0;
  for (std::size_t i = rest.size(); i-- > 0;) {
    const int digit = a[i] - b[i] - borrow;
    borrow = digit < 0 ? 1 : 0;
    rest[i] = static_cast<std::uint8_t>(digit);
  }
  return rest;
}

class RequestTest : public testing::TestWithParam<SuiteId> {
 protected:
  static void expect_refused(const Result<SignedRequest>& parsed, Code code, const std::string& cause) {
    ASSERT_FALSE(parsed) << cause;
    EXPECT_EQ(parsed.error().code(), code) << parsed.error().message();
    EXPECT_NE(parsed.error().message().find(cause), std::string::npos) << parsed.error().message();
  }
  // Signs the request after the change, and expects an error.
  template <typename F>
  void expect_change_refused(F change, const std::string& cause) const {
    Request request = client.request();
    change(request);
    expect_refused(parse(client.sign(request), GetParam()), Code::malformed, cause);
  }
  // A request with the given body bytes and a valid signature.
  Bytes with_body(Operation operation, ByteView body) const {
    Request request = client.request({});
    request.body = LogBody{.from = 1, .limit = 1};
    const Bytes encoded = client.sign(request);
    // The log's body is u64 ‖ u16 after a u32 length. Certificates and signature follow it.
    const std::size_t tail = 1 + 2 + client.certificate.der().size() + 64;
    const std::size_t head = encoded.size() - tail - 14;
    Writer w;
    w.bytes(ByteView(encoded).first(5)).u8(static_cast<std::uint8_t>(operation));
    w.bytes(ByteView(encoded).subspan(6, head - 6));
    const ByteView certificates = ByteView(encoded).subspan(head + 14, tail - 64);
    const Signature signature = client.key.sign(request_digest(w.view(), body, certificates));
    w.lp4(body).bytes(certificates).bytes(signature);
    return std::move(w).take();
  }

  const test::TestClient client{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Suites, RequestTest, test::tested_suites(), test::suite_label);

TEST_P(RequestTest, IsReadBackAsItWas) {
  const Bytes policy(bytes_of("{\"version\":1}").begin(), bytes_of("{\"version\":1}").end());
  std::vector<PartialItem> items;
  items.push_back(client.item());
  items.push_back(client.item(policy));
  const Request request = client.request(std::move(items));
  const Bytes encoded = client.sign(request);
  const auto parsed = parse(encoded, GetParam());
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->hash, sha256(encoded));
  EXPECT_EQ(parsed->chain.size(), 1u);
  EXPECT_EQ(parsed->request.operation(), Operation::partial_decrypt);
  EXPECT_EQ(parsed->request.tenant, "acme");
  EXPECT_EQ(parsed->request.key_id, request.key_id);
  EXPECT_EQ(parsed->request.audience, request.audience);
  EXPECT_EQ(parsed->request.action, Action::view);
  EXPECT_EQ(parsed->request.reason, "monthly report");
  EXPECT_EQ(parsed->request.nonce, request.nonce);
  EXPECT_EQ(parsed->request.time_ms, test::kNow);
  EXPECT_EQ(parsed->request.reply_key, request.reply_key);
  const auto& read = std::get<PartialDecryptBody>(parsed->request.body).items;
  ASSERT_EQ(read.size(), 2u);
  for (const PartialItem& item : read) {
    const Digest label = stanza_label(sha256(item.core), item.stanza_type, request.key_id);
    EXPECT_TRUE(verify(client.public_key, *item.capsule, label));
  }
  EXPECT_EQ(must(Core::parse(read[1].core)).policy, policy);
}

TEST_P(RequestTest, CarriesABatchOf256AndNoMore) {
  std::vector<PartialItem> items;
  const PartialItem one = client.item();
  const auto copy = [&] {
    const Capsule& c = *one.capsule;
    return PartialItem{
        .core = one.core,
        .stanza_type = one.stanza_type,
        .capsule = Capsule{.c1 = c.c1, .u_bar = c.u_bar, .c2_hash = c.c2_hash, .e = c.e, .f = c.f.clone()}};
  };
  while (items.size() < kMaxItems) items.push_back(copy());
  Request request = client.request(std::move(items));
  const auto parsed = parse(client.sign(request), GetParam());
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(std::get<PartialDecryptBody>(parsed->request.body).items.size(), kMaxItems);
  std::get<PartialDecryptBody>(request.body).items.push_back(copy());
  expect_refused(parse(client.sign(request), GetParam()), Code::malformed, "not 1 to 256 items");
  expect_refused(parse(client.sign(client.request({})), GetParam()), Code::malformed, "not 1 to 256 items");
}

TEST_P(RequestTest, OtherOperations) {
  Request request = client.request({});
  request.body = RecoveryShareBody{};
  EXPECT_EQ(must(parse(client.sign(request), GetParam())).request.operation(), Operation::recovery_share);
  request.body = LogBody{.from = 17, .limit = 1000};
  const auto parsed = must(parse(client.sign(request), GetParam()));
  EXPECT_EQ(std::get<LogBody>(parsed.request.body).from, 17u);
  EXPECT_EQ(std::get<LogBody>(parsed.request.body).limit, 1000);
  request.body = LogBody{.from = 0, .limit = 1};
  expect_refused(parse(client.sign(request), GetParam()), Code::malformed, "numbered from 1");
  for (const std::uint16_t limit : {std::uint16_t{0}, std::uint16_t{1001}}) {
    request.body = LogBody{.from = 17, .limit = limit};
    expect_refused(parse(client.sign(request), GetParam()), Code::malformed, "not 1 to 1000 log entries");
  }
}

TEST_P(RequestTest, EveryOtherLengthIsRefused) {
  Bytes encoded = client.sign(client.request());
  for (std::size_t i = 0; i < encoded.size(); ++i)
    EXPECT_FALSE(parse(ByteView(encoded).first(i), GetParam())) << i;
  encoded.push_back(0);
  EXPECT_FALSE(parse(encoded, GetParam()));
}

// Every length of the body, with a valid signature.
TEST_P(RequestTest, EveryOtherLengthOfTheBodyIsRefused) {
  Bytes body = must(SignedRequest::parse_envelope(client.sign(client.request()))).body;
  ASSERT_TRUE(parse(with_body(Operation::partial_decrypt, body), GetParam()));
  for (std::size_t i = 0; i < body.size(); ++i) {
    EXPECT_FALSE(parse(with_body(Operation::partial_decrypt, ByteView(body).first(i)), GetParam())) << i;
  }
  body.push_back(0);
  expect_refused(parse(with_body(Operation::partial_decrypt, body), GetParam()), Code::malformed,
                 "something follows");
  expect_refused(parse(with_body(Operation::recovery_share, Bytes(1)), GetParam()), Code::malformed,
                 "has a body");
  expect_refused(parse(with_body(Operation::log, Bytes(9)), GetParam()), Code::malformed, "range of the log");
  expect_refused(parse(with_body(Operation::log, Bytes(11)), GetParam()), Code::malformed,
                 "range of the log");
}

TEST_P(RequestTest, EveryFlippedByteIsRefused) {
  const Bytes encoded = client.sign(client.request());
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= static_cast<std::uint8_t>(1u << i % 8);
    EXPECT_FALSE(parse(flipped, GetParam())) << i;
  }
}

TEST_P(RequestTest, IsSignedByItsFirstCertificatesKey) {
  const Request request = client.request();
  expect_refused(parse(SignedRequest::sign(request, {client.certificate}, client.ca_key), GetParam()),
                 Code::unauthenticated, "not signed with the key of its first certificate");
  expect_refused(parse(SignedRequest::sign(request, {client.ca, client.certificate}, client.key), GetParam()),
                 Code::unauthenticated, "not signed with the key of its first certificate");
  const auto chained =
      parse(SignedRequest::sign(request, {client.certificate, client.ca}, client.key), GetParam());
  ASSERT_TRUE(chained);
  EXPECT_EQ(chained->chain[1].der(), client.ca.der());
}

TEST_P(RequestTest, ChainHasOneToFourCertificates) {
  const Request request = client.request();
  expect_refused(parse(SignedRequest::sign(request, {}, client.key), GetParam()), Code::malformed,
                 "not 1 to 4 certificates");
  std::vector<Certificate> chain(4, client.certificate);
  EXPECT_TRUE(parse(SignedRequest::sign(request, chain, client.key), GetParam()));
  chain.push_back(client.certificate);
  expect_refused(parse(SignedRequest::sign(request, chain, client.key), GetParam()), Code::malformed,
                 "not 1 to 4 certificates");
}

TEST_P(RequestTest, FieldsHaveTheirForm) {
  const auto party = [] { return SigningKey::generate(system_random()).public_key().bytes(); };
  expect_change_refused([](Request& r) { r.tenant = "Acme"; }, "field \"tenant\"");
  expect_change_refused([](Request& r) { r.audience.clear(); }, "field \"audience\": not 1 to 16 parties");
  expect_change_refused([](Request& r) { r.audience.resize(17); }, "field \"audience\": not 1 to 16 parties");
  expect_change_refused([](Request& r) { r.audience[1] = {}; },
                        "field \"audience\": party 2 is not a P-256 point");
  expect_change_refused([](Request& r) { r.audience[1] = r.audience[0]; },
                        "field \"audience\": party 2 is named twice");
  expect_change_refused([](Request& r) { r.action = static_cast<Action>(0); }, "field \"action\"");
  expect_change_refused([](Request& r) { r.action = static_cast<Action>(5); }, "field \"action\"");
  expect_change_refused([](Request& r) { r.reason = std::string(256, 'x'); }, "field \"reason\"");
  expect_change_refused([](Request& r) { r.reason = "\xff"; }, "field \"reason\"");
  expect_change_refused([](Request& r) { r.time_ms = -1; }, "field \"time\"");
  expect_change_refused([](Request& r) { r.reply_key.back() ^= 1; }, "field \"reply_key\"");
  for (const std::uint8_t operation : {std::uint8_t{0}, std::uint8_t{7}}) {
    expect_refused(parse(with_body(static_cast<Operation>(operation), {}), GetParam()), Code::malformed,
                   "field \"operation\"");
  }
  Request longest = client.request();
  longest.reason = std::string(255, 'x');
  while (longest.audience.size() < 16) longest.audience.push_back(party());
  EXPECT_TRUE(parse(client.sign(longest), GetParam()));
}

// Truncates every field. The message names it.
TEST_P(RequestTest, NamesTheFieldThatIsCutOff) {
  const Bytes encoded = client.sign(client.request());
  std::size_t at = 6;
  const auto expect_named = [&](std::size_t size, const std::string& field) {
    expect_refused(parse(ByteView(encoded).first(at + size - 1), GetParam()), Code::malformed,
                   "request: field \"" + field + "\": ");
    at += size;
  };
  expect_named(2 + 4, "tenant");
  expect_named(32, "key_id");
  expect_named(4, "epoch");
  expect_named(1 + 2 * 33, "audience");
  expect_named(1, "action");
  expect_named(2 + std::string("monthly report").size(), "reason");
  expect_named(16, "nonce");
  expect_named(8, "time");
  expect_named(65, "reply_key");
  expect_named(encoded.size() - at - 64 - 3 - client.certificate.der().size(), "body");
  expect_named(3 + client.certificate.der().size(), "certificates");
  expect_named(64, "signature");
  EXPECT_EQ(at, encoded.size());
}

// A damaged item does not hide the others: the client learns the status of each.
TEST_P(RequestTest, ReadsTheOtherItemsOfABatch) {
  std::vector<PartialItem> items;
  for (int i = 0; i < 3; ++i) items.push_back(client.item());
  const std::size_t size = items[0].core.size();
  items[0].stanza_type = 2;
  items[1].core.clear();
  const Request request = client.request(std::move(items));
  const auto parsed = must(parse(client.sign(request), GetParam()));
  const auto& read = std::get<PartialDecryptBody>(parsed.request.body).items;
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].stanza_type, 2);
  EXPECT_TRUE(read[1].core.empty());
  EXPECT_EQ(read[2].core.size(), size);
  for (const PartialItem& item : read) EXPECT_EQ(item.c1_hash, sha256(item.capsule->c1.encode()));
}

// Items have the widths of the key's suite.
TEST_P(RequestTest, IsReadInTheKeysSuite) {
  const Bytes encoded = client.sign(client.request());
  for (const SuiteId other : kAllSuites) {
    EXPECT_EQ(other == GetParam(), static_cast<bool>(parse(encoded, other))) << suite_name(other);
  }
}

TEST_P(RequestTest, ElementsAndScalarsAreCanonical) {
  const Group& group = group_of(GetParam());
  const Bytes body = must(SignedRequest::parse_envelope(client.sign(client.request()))).body;
  const std::size_t c1 = body.size() - group.scalar_size() - 64 - 2 * group.element_size();
  const std::size_t u_bar = c1 + group.element_size();
  const std::size_t f = body.size() - group.scalar_size();
  const auto expect_overwrite_refused = [&](std::size_t at, ByteView bytes) {
    Bytes changed = body;
    std::ranges::copy(bytes, changed.begin() + static_cast<std::ptrdiff_t>(at));
    const auto parsed = must(parse(with_body(Operation::partial_decrypt, changed), GetParam()));
    const auto& item = std::get<PartialDecryptBody>(parsed.request.body).items.front();
    EXPECT_FALSE(item.capsule) << at;
    EXPECT_EQ(item.c1_hash, sha256(ByteView(changed).subspan(c1, group.element_size())));
  };
  Bytes identity(group.element_size());
  if (GetParam() != SuiteId::p256) identity.back() = 1;
  for (const std::size_t element : {c1, u_bar}) {
    expect_overwrite_refused(element, identity);
    expect_overwrite_refused(element, Bytes(group.element_size(), 0xff));
  }
  expect_overwrite_refused(f, group.scalars().modulus());
}

TEST_P(RequestTest, CarriesValuesToDeriveWith) {
  const Group& group = group_of(GetParam());
  std::vector<Element> peers;
  while (peers.size() < 3) peers.push_back(group.random_message(system_random()));
  Request request = client.request({});
  request.body = DeriveBody{peers};
  const auto parsed = parse(client.sign(request), GetParam());
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->request.operation(), Operation::derive);
  EXPECT_EQ(std::get<DeriveBody>(parsed->request.body).peers, peers);

  request.body = DeriveBody{};
  expect_refused(parse(client.sign(request), GetParam()), Code::malformed, "not 1 to 256 items");
  request.body = DeriveBody{std::vector<Element>(kMaxItems, peers.front())};
  EXPECT_TRUE(parse(client.sign(request), GetParam()));
  request.body = DeriveBody{std::vector<Element>(kMaxItems + 1, peers.front())};
  expect_refused(parse(client.sign(request), GetParam()), Code::malformed, "not 1 to 256 items");
}

TEST_P(RequestTest, EveryOtherLengthOfADerivationIsRefused) {
  Writer w;
  w.u16(2);
  for (int i = 0; i < 2; ++i) w.bytes(group_of(GetParam()).random_message(system_random()).encode());
  Bytes body = std::move(w).take();
  ASSERT_TRUE(parse(with_body(Operation::derive, body), GetParam()));
  for (std::size_t i = 0; i < body.size(); ++i)
    EXPECT_FALSE(parse(with_body(Operation::derive, ByteView(body).first(i)), GetParam())) << i;
  body.push_back(0);
  expect_refused(parse(with_body(Operation::derive, body), GetParam()), Code::malformed, "something follows");
}

TEST_P(RequestTest, CarriesAStepOfAHandover) {
  Request request = client.request({});
  for (unsigned step = 1; step <= 10; ++step) {
    const bool bare = step == 1 || step == 3;
    const Bytes payload = bare ? Bytes() : Bytes{1, 2, 3};
    request.body = HandoverBody{.step = static_cast<HandoverStep>(step), .payload = payload};
    const auto parsed = must(parse(client.sign(request), GetParam()));
    EXPECT_EQ(parsed.request.operation(), Operation::handover);
    const auto& read = std::get<HandoverBody>(parsed.request.body);
    EXPECT_EQ(static_cast<unsigned>(read.step), step);
    EXPECT_EQ(read.payload, payload);
    if (!bare) continue;
    request.body = HandoverBody{.step = static_cast<HandoverStep>(step), .payload = {1}};
    expect_refused(parse(client.sign(request), GetParam()), Code::malformed, "has no payload");
  }
  Writer w;
  w.u8(4).lp4(Bytes{1, 2, 3});
  Bytes body = std::move(w).take();
  ASSERT_TRUE(parse(with_body(Operation::handover, body), GetParam()));
  for (std::size_t i = 0; i < body.size(); ++i)
    EXPECT_FALSE(parse(with_body(Operation::handover, ByteView(body).first(i)), GetParam())) << i;
  for (const unsigned step : {0u, 11u, 255u}) {
    body[0] = static_cast<std::uint8_t>(step);
    expect_refused(parse(with_body(Operation::handover, body), GetParam()), Code::malformed,
                   "not a step of a handover");
  }
  body[0] = 4;
  body.push_back(0);
  expect_refused(parse(with_body(Operation::handover, body), GetParam()), Code::malformed,
                 "not a step of a handover");
}

TEST_P(RequestTest, OnlyMembersOfTheGroupAreDerivedWith) {
  const Group& group = group_of(GetParam());
  const Bytes good = group.random_message(system_random()).encode();
  const auto expect_peer_refused = [&](Bytes peer, const std::string& what) {
    Writer w;
    w.u16(2).bytes(good).bytes(peer);
    expect_refused(parse(with_body(Operation::derive, std::move(w).take()), GetParam()), Code::malformed,
                   "item 1");
    if (HasFailure()) ADD_FAILURE() << what;
  };
  expect_peer_refused(Bytes(group.element_size(), 0), "zero, or the point at infinity");
  expect_peer_refused(Bytes(group.element_size(), 0xff), "out of range");
  if (GetParam() == SuiteId::p256) {
    for (const char tag : {'\0', '\1', '\4', '\6'}) {
      Bytes tagged = good;
      tagged[0] = static_cast<std::uint8_t>(tag);
      expect_peer_refused(tagged, "tag " + std::to_string(tag));
    }
    Bytes off = good;  // about every second x is that of no point
    while (group.parse(off)) ++off.back();
    expect_peer_refused(off, "off the curve");
  } else {
    Bytes one(group.element_size());
    one.back() = 1;
    expect_peer_refused(one, "the identity");
    const Bytes p = twice_plus_one(group.scalars().modulus());
    Bytes minus_one = p;
    minus_one.back() ^= 1;  // p is odd
    expect_peer_refused(minus_one, "p − 1, of order two");
    expect_peer_refused(p, "p");
    // p = 3 mod 4, so −x is no residue if x is one.
    expect_peer_refused(difference(p, good), "not in the subgroup");
  }
}

TEST_P(RequestTest, CarriesADrillsReport) {
  Request request = client.request({});
  request.body =
      DrillReportBody{.time_ms = 5, .evidence = {6}, .passed = 3, .failed = 0, .proof = Bytes(64, 7)};
  const auto parsed = parse(client.sign(request), GetParam());
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->request.operation(), Operation::drill_report);
  const auto& body = std::get<DrillReportBody>(parsed->request.body);
  EXPECT_EQ(body.evidence, Digest{6});
  EXPECT_EQ(body.passed, 3);
  EXPECT_TRUE(body.all_passed());
  EXPECT_EQ(body.proof, Bytes(64, 7));
  for (const std::size_t size : {0u, 43u, 44u, 45u, 47u})
    expect_refused(parse(with_body(Operation::drill_report, Bytes(size)), GetParam()), Code::malformed,
                   "not a drill's report");
  for (const std::size_t size : {1u, 63u, 65u}) {
    request.body =
        DrillReportBody{.time_ms = 5, .evidence = {6}, .passed = 3, .failed = 0, .proof = Bytes(size)};
    expect_refused(parse(client.sign(request), GetParam()), Code::malformed, "no signature");
  }
}

TEST(Request, IsAtMost8MiB) {
  const auto parsed = SignedRequest::parse_envelope(Bytes(kMaxRequestSize + 1));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message(), "request: longer than 8 MiB");
}

}  // namespace
}  // namespace coprotect::protocol
