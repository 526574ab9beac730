#include "agent/front/test_front.h"

#include <openssl/x509.h>
#include <poll.h>

#include <csignal>
#include <fstream>

namespace coprotect::agent::front {
namespace {

std::int64_t in_ms(std::chrono::seconds from_now) {
  const auto then = std::chrono::system_clock::now() + from_now;
  return std::chrono::duration_cast<std::chrono::milliseconds>(then.time_since_epoch()).count();
}

protocol::CertificateRequest request(const std::string& name, const TestAuthority::Wish& wish) {
  return {.common_name = name,
          .use = wish.use,
          .uris = {"coprotect:acme:user:alice"},
          .hosts = {"127.0.0.1"},
          .not_before_ms = in_ms(wish.begins),
          .not_after_ms = in_ms(wish.ends)};
}

void write_file(const std::filesystem::path& file, std::string_view content) {
  // In a new file that is renamed over the old one, as in a certificate renewal.
  const std::filesystem::path temporary = file.string() + ".new";
  std::ofstream(temporary, std::ios::binary) << content;
  std::filesystem::rename(temporary, file);
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name)
    : key_(protocol::SigningKey::generate(system_random())),
      certificate_(*protocol::issue_certificate({.common_name = name,
                                                 .use = protocol::CertificateUse::authority,
                                                 .uris = {},
                                                 .hosts = {},
                                                 .not_before_ms = in_ms(-24h),
                                                 .not_after_ms = in_ms(24h)},
                                                key_.public_key(), nullptr, key_, system_random())) {}

TestAuthority TestAuthority::imitated() const {
  auto key = protocol::SigningKey::generate(system_random());
  const Owned<X509, X509_free> x509(X509_dup(certificate_.x509()));
  X509_set_pubkey(x509.get(), key.evp());
  EXPECT_GT(X509_sign(x509.get(), key.evp(), EVP_sha256()), 0);
  std::uint8_t* der = nullptr;
  const int size = i2d_X509(x509.get(), &der);
  auto certificate = protocol::Certificate::parse_der({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return {std::move(key), *std::move(certificate)};
}

Identity TestAuthority::issue(const Wish& wish) const {
  auto key = protocol::SigningKey::generate(system_random());
  auto certificate = protocol::issue_certificate(request("alice", wish), key.public_key(), &certificate_,
                                                 key_, system_random());
  return {.certificate = *std::move(certificate), .key = std::move(key)};
}

Identity TestAuthority::renew(const Identity& identity) const {
  auto key = protocol::SigningKey::from_pem(identity.key.to_pem().reveal());
  auto certificate = protocol::issue_certificate(request("alice", {.use = protocol::CertificateUse::client}),
                                                 key->public_key(), &certificate_, key_, system_random());
  return {.certificate = *std::move(certificate), .key = *std::move(key)};
}

ipc::Reply echo(const ipc::Call& call) {
  return {.id = call.id, .error = std::nullopt, .request_id = "00112233445566aa", .body = call.body};
}

FrontTest::FrontTest() {
  std::signal(SIGPIPE, SIG_IGN);  // a front that ends a connection must not end the test
  answer_with_echo();
}

FrontTest::~FrontTest() {
  front_.reset();
}

void FrontTest::answer_with(Answering answering) {
  const std::lock_guard lock(mutex_);
  answering_ = std::move(answering);
}

void FrontTest::answer_with_echo() {
  answer_with([](const auto&, const ipc::Call& call) { return echo(call); });
}

void FrontTest::write_tls_files() {
  const Identity server = identity_.issue({.use = protocol::CertificateUse::server});
  write_file(folder_ / "tls.pem", server.certificate.pem());
  write_file(folder_ / "tls.key.pem", text_of(server.key.to_pem().reveal()));
}

void FrontTest::start(Config::Limits limits) {
  write_tls_files();
  Config config{};
  config.listen = "127.0.0.1:0";
  config.tls = {.certificate = folder_ / "tls.pem", .key = folder_ / "tls.key.pem"};
  config.limits = limits;
  auto started =
      start_front(front_arguments(COPROTECT_FRONT, config),
                  {.call =
                       [this](const std::shared_ptr<ipc::Channel>& channel, const ipc::Call& call) {
                         ++calls_;
                         std::optional<ipc::Reply> reply;
                         {
                           const std::lock_guard lock(mutex_);
                           reply = answering_(channel, call);
                         }
                         if (reply) (void)channel->send(reply->encode());
                       },
                   .ready =
                       [this](const ipc::Ready& ready) {
                         const std::lock_guard lock(mutex_);
                         ready_.push_back(ready);
                         ready_changed_.notify_all();
                       },
                   .given_up =
                       [this](const auto&, ipc::GivenUp call) {
                         const std::lock_guard lock(mutex_);
                         given_up_.insert(call.id);
                         ready_changed_.notify_all();
                       },
                   .usage =
                       [this](const ipc::Usage& usage) {
                         const std::lock_guard lock(mutex_);
                         usage_ = usage;
                         ready_changed_.notify_all();
                       }});
  ASSERT_TRUE(started) << started.error().message();
  front_ = std::move(*started);
  send_limits(limits);
  send_trust({&acme_});
  await_ready();
}

void FrontTest::send_limits(const Config::Limits& limits) {
  ASSERT_TRUE(front_->channel()->send(limits.encode()));
}

void FrontTest::send_trust(const std::vector<const TestAuthority*>& authorities) {
  ipc::Trust trust;
  for (const TestAuthority* const authority : authorities)
    trust.authorities.push_back(authority->certificate().der());
  ASSERT_TRUE(front_->channel()->send(trust.encode()));
}

void FrontTest::await_ready() {
  std::unique_lock lock(mutex_);
  ASSERT_TRUE(ready_changed_.wait_for(lock, 20s, [&] { return !ready_.empty(); }));
  port_ = ready_.front().port;
  ready_.pop_front();
}

void FrontTest::await_taken() {
  ASSERT_TRUE(front_->channel()->send(ipc::encode_reload()));
  await_ready();
}

bool FrontTest::is_given_up(std::uint64_t call) {
  std::unique_lock lock(mutex_);
  return ready_changed_.wait_for(lock, 10s, [&] { return given_up_.contains(call); });
}

ipc::Usage FrontTest::usage() {
  std::unique_lock lock(mutex_);
  usage_.reset();
  lock.unlock();
  EXPECT_TRUE(front_->channel()->send(ipc::Ping{.number = 1}.encode(ipc::Kind::ping)));
  lock.lock();
  EXPECT_TRUE(ready_changed_.wait_for(lock, 10s, [&] { return usage_.has_value(); }));
  return usage_.value_or(ipc::Usage{});
}

bool FrontTest::given_up(std::uint64_t call) {
  const std::lock_guard lock(mutex_);
  return given_up_.contains(call);
}

std::string FrontTest::await_end() {
  pollfd event{front_->handle(), POLLIN, 0};
  if (poll(&event, 1, 20'000) != 1) return "still runs";
  return front_->reap();
}

}  // namespace coprotect::agent::front
