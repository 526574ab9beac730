#pragma once

#include <gtest/gtest.h>

#include <poll.h>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>

#include <future>
#include <mutex>
#include <set>

#include "agent/front/deadlines.h"
#include "agent/front/test_client.h"
#include "agent/front_process.h"
#include "swtpm-tests/harness/scratch.h"

// A real coprotect-front, at whose channel the test sits in the custodian's place.
namespace coprotect::agent::front {

using namespace std::chrono_literals;

// A certificate authority and what it issues, valid now.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  // Another CA with the same name and key identifier.
  TestAuthority imitated() const;

  Identity client() const { return issue({.use = protocol::CertificateUse::client}); }
  struct Wish {
    protocol::CertificateUse use;
    std::chrono::seconds begins = -1h;  // from now
    std::chrono::seconds ends = 1h;
  };
  Identity issue(const Wish& wish) const;
  // A new certificate of the same key.
  Identity renew(const Identity& identity) const;
  const protocol::Certificate& certificate() const { return certificate_; }

 private:
  TestAuthority(protocol::SigningKey key, protocol::Certificate certificate)
      : key_(std::move(key)), certificate_(std::move(certificate)) {}
  protocol::SigningKey key_;
  protocol::Certificate certificate_;
};

class FrontTest : public testing::Test {
 protected:
  FrontTest();
  ~FrontTest() override;

  // Call first. on_call answers each call.
  void start(Config::Limits limits = {.request_seconds = 30, .idle_seconds = 60, .connections = 100});
  // The server's certificate, newly made.
  void write_tls_files();
  void send_limits(const Config::Limits& limits);
  void send_trust(const std::vector<const TestAuthority*>& authorities);
  // Waits for the next "ready".
  void await_ready();
  // Waits until the front has processed everything that was sent to it, including reloads, in order.
  void await_taken();
  // Waits for its end; as ChildProcess::reap().
  std::string await_end();

  Target target() const { return {.port = port_, .authority = &identity_.certificate()}; }
  unsigned calls() const { return calls_; }
  // Whether the front gives this call up within some time.
  bool is_given_up(std::uint64_t call);
  // Whether it has already.
  bool given_up(std::uint64_t call);
  // The front's reported use of its limits, in answer to a ping.
  ipc::Usage usage();
  // Sets the answer to each later call; sends nothing if it returns none. The default answer is the call's
  // own body.
  using Answering =
      std::function<std::optional<ipc::Reply>(const std::shared_ptr<ipc::Channel>&, const ipc::Call&)>;
  void answer_with(Answering answering);
  void answer_with_echo();

  const harness::Scratch scratch_;
  const std::filesystem::path folder_ = scratch_.path();
  TestAuthority identity_{"the agent"};
  TestAuthority acme_{"acme clients"};
  Identity alice_ = acme_.client();
  std::unique_ptr<ChildProcess> front_;

 private:
  std::mutex mutex_;
  Answering answering_;
  std::condition_variable ready_changed_;
  std::deque<ipc::Ready> ready_;
  std::set<std::uint64_t> given_up_;
  std::optional<ipc::Usage> usage_;
  std::atomic<unsigned> calls_ = 0;
  std::uint16_t port_ = 0;
};

ipc::Reply echo(const ipc::Call& call);

}  // namespace coprotect::agent::front
