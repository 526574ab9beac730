// Somebody between two agents, on a chained request's way: on the network, where TLS is all there is to see;
// and in the place of the asking agent's relay, which is what a hostile agent behind it sees and can say. He
// records, drops, replays, alters, delays and reorders; he learns nothing, and changes nothing but whether an
// answer comes.

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/chains.h"
#include "agent/ipc/messages.h"
#include "protocol/message/chain.h"
#include "protocol/message/reply.h"
#include "swtpm-tests/harness/memory_search.h"
#include "swtpm-tests/harness/tcp_proxy.h"
#include "swtpm-tests/hostile/puppet_place.h"
#include "swtpm-tests/secrets_of.h"
#include "swtpm-tests/share_of.h"

namespace coprotect::harness {
namespace {

using agent::ipc::Channel;
using agent::ipc::Forward;
using agent::ipc::Forwarded;
using agent::ipc::Kind;
using agent::ipc::PeerRoute;
using std::chrono::milliseconds;
using Pieces = std::vector<Bytes>;

class HostilePeer : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{.suite = GetParam()});
    if (HasFailure()) GTEST_FAIL() << "no system";
    alice_ = system_->add_client("alice");
    write_file(alice_, read_file(alice_) + "deadline_seconds = 8\n");
    write_file(file("f"), kContent);
    ASSERT_EQ(system_->coprotect(alice_, {"encrypt", file("f")}).exit_code, 0);
  }

  std::string file(const std::string& name) const { return (system_->folder() / name).string(); }
  Finished decrypt(const std::string& out = "out") const {
    return system_->coprotect(alice_,
                              {"decrypt", file("f.cop"), "-o", file(out), "--force", "--via", "chain:cloud"});
  }
  void expect_opens() {
    const Finished run = decrypt();
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(read_file(file("out")), kContent);
    std::filesystem::remove(file("out"));
  }
  // No answer that counts, and the other party is named.
  void expect_fails() {
    const Finished run = decrypt();
    EXPECT_NE(run.exit_code, 0);
    EXPECT_LT(run.exit_code, 128) << "ended by a signal";
    EXPECT_NE(run.err.find("company agent"), std::string::npos) << run.err;
    EXPECT_FALSE(std::filesystem::exists(file("out")));
  }
  // Either way, and nothing in between.
  void expect_opens_or_fails() {
    const Finished run = decrypt();
    if (run.exit_code == 0)
      EXPECT_EQ(read_file(file("out")), kContent);
    else
      EXPECT_NE(run.err.find("company agent"), std::string::npos) << run.err;
    EXPECT_EQ(std::filesystem::remove(file("out")), run.exit_code == 0);
  }
  void expect_both_run() {
    EXPECT_TRUE(system_->cloud().running());
    EXPECT_TRUE(system_->company().running());
  }
  void expect_nothing_secret_in(ByteView record) {
    for (const auto& [what, secret] : secrets_of(*system_, file("f.cop"))) {
      const auto forms = forms_in(record, secret.reveal());
      EXPECT_TRUE(forms.empty()) << what << " as " << forms.front();
    }
    EXPECT_TRUE(forms_in(record, bytes_of(kContent)).empty());
  }
  // How often the company used its share for alice.
  int uses_at_company() {
    const Finished log =
        system_->provision({"log", "--dir", system_->out().string(), "--party", "company", "--json"});
    EXPECT_EQ(log.exit_code, 0) << log.err;
    int uses = 0;
    std::istringstream lines(log.out);
    for (std::string line; std::getline(lines, line);) {
      const auto entry = nlohmann::json::parse(line);
      uses += entry.value("kind", "") == "result" && entry.value("client", "").ends_with(":alice") ? 1 : 0;
    }
    return uses;
  }

  static constexpr const char* kContent = "figures that only the two agents together can show";
  std::unique_ptr<System> system_;
  std::filesystem::path alice_;
};

// On the network: the company serves at another port, and he at its own.
class HostileNetwork : public HostilePeer {
 protected:
  void SetUp() override {
    HostilePeer::SetUp();
    if (HasFailure()) return;
    Agent& company = system_->company();
    const std::string address = company.url().substr(std::string("https://").size());
    const std::string behind = address.substr(0, address.find(':')) + ":9444";
    company.stop();
    std::string config = read_file(company.config());
    const std::string listen = "listen = \"" + address;
    config.replace(config.find(listen), listen.size(), "listen = \"" + behind);
    write_file(company.config(), config);
    ASSERT_TRUE(company.start());
    proxy_ = std::make_unique<TcpProxy>(address, behind);
  }
  std::unique_ptr<TcpProxy> proxy_;
};

// In the place of the cloud's relay: the real one works behind him.
class HostileRelay : public HostilePeer {
 protected:
  // What is passed on in the place of a frame, in order; called from one thread for each direction.
  using Meddle = std::function<Pieces(const Bytes& frame)>;

  void SetUp() override {
    HostilePeer::SetUp();
    if (HasFailure()) return;
    const auto programs = system_->folder() / "programs";
    place_ = std::make_unique<PuppetPlace>(programs, "coprotect-relay");
    system_->cloud().stop();
    auto accepted = std::async(std::launch::async, [this] { return place_->accept(); });
    ASSERT_TRUE(system_->cloud().start({.programs = programs}));
    puppet_ = accepted.get();
    auto ends = Channel::make_pair();
    ASSERT_TRUE(ends);
    near_ = std::make_unique<Channel>(std::move(ends->first));
    relay_ = Daemon::spawn({System::program("coprotect-relay")}, {}, {{3, ends->second.get()}});
    outward_ = std::jthread([this] { carry(*puppet_.channel, *near_, forwards_); });
    homeward_ = std::jthread([this] { carry(*near_, *puppet_.channel, answers_); });
  }
  void TearDown() override {
    if (near_) near_->shutdown();
    if (puppet_.channel) puppet_.channel->shutdown();
  }

  void carry(Channel& from, Channel& to, const Meddle& meddle) {
    for (;;) {
      std::vector<Fd> files;
      const auto frame = from.receive(&files);
      if (!frame) break;
      Meddle present;
      {
        const std::lock_guard lock(mutex_);
        record_.push_back(*frame);
        present = meddle;
      }
      std::vector<int> descriptors;
      for (const auto& one : files) descriptors.push_back(one.get());
      for (const Bytes& passed : present ? present(*frame) : Pieces{*frame})
        if (!to.send(passed, descriptors)) break;
    }
    to.shutdown();
  }
  void meddle(Meddle forwards, Meddle answers) {
    const std::lock_guard lock(mutex_);
    forwards_ = std::move(forwards);
    answers_ = std::move(answers);
  }
  std::vector<Bytes> recorded() {
    const std::lock_guard lock(mutex_);
    return record_;
  }

  std::unique_ptr<PuppetPlace> place_;
  PuppetPlace::Puppet puppet_;
  std::unique_ptr<Channel> near_;
  Daemon relay_;
  std::mutex mutex_;  // guards the next three
  std::vector<Bytes> record_;
  Meddle forwards_;
  Meddle answers_;
  std::jthread outward_;
  std::jthread homeward_;
};

const auto kSuites = testing::Values("p256", "ffdhe3072");
const auto kName = [](const auto& instance) { return std::string(instance.param); };
INSTANTIATE_TEST_SUITE_P(Suites, HostileNetwork, kSuites, kName);
INSTANTIATE_TEST_SUITE_P(Suites, HostileRelay, kSuites, kName);

TEST_P(HostileNetwork, LearnsNothingAndChangesNothing) {
  expect_opens();
  EXPECT_GE(proxy_->connections(), 1);
  EXPECT_GT(proxy_->recorded().size(), 1000u);
  // Only for the requests between agents: the client itself asks the cloud, never the company.
  std::atomic<unsigned> pieces = 0;
  const std::vector<std::pair<const char*, TcpProxy::Meddle>> deeds = {
      {"drops", [](const Bytes&) { return Pieces(); }},
      {"replays",
       [](const Bytes& piece) {
         return Pieces{piece, piece};
       }},
      {"alters",
       [](Bytes piece) {
         piece[piece.size() / 2] ^= 1;
         return Pieces{piece};
       }},
      {"reorders",
       [&pieces](Bytes piece) {  // the two halves of each second piece
         if (++pieces % 2 == 0 || piece.size() < 2) return Pieces{piece};
         const auto middle = piece.begin() + static_cast<std::ptrdiff_t>(piece.size() / 2);
         return Pieces{Bytes(middle, piece.end()), Bytes(piece.begin(), middle)};
       }},
      {"cuts", [](Bytes piece) {
         piece.resize(piece.size() / 2);
         return Pieces{piece};
       }}};
  for (const auto& [name, deed] : deeds) {
    SCOPED_TRACE(name);
    for (const bool fresh : {false, true}) {  // within a connection that stands, and from its beginning
      if (fresh) proxy_->cut();
      proxy_->meddle(deed);
      expect_opens_or_fails();  // a piece may do its work before its copy ends the connection
      proxy_->meddle({});
      proxy_->cut();
      expect_opens();
    }
  }
  proxy_->meddle([](Bytes piece) {
    std::this_thread::sleep_for(milliseconds(100));
    return Pieces{std::move(piece)};
  });
  expect_opens();  // a delay is only that
  expect_both_run();
  expect_nothing_secret_in(proxy_->recorded());
}

TEST_P(HostileRelay, LearnsNothing) {
  for (int i = 0; i < 3; ++i) expect_opens();
  Bytes all;
  std::size_t replies = 0;
  for (const Bytes& frame : recorded()) {
    all.insert(all.end(), frame.begin(), frame.end());
    const auto answer = Forwarded::parse(frame);
    const auto list = answer ? protocol::ChainReply::parse(answer->body) : answer.error();
    if (!list) continue;
    for (const auto& entry : list->entries)
      if (protocol::SealedReply::parse(std::get<Bytes>(entry.answer))) ++replies;
  }
  EXPECT_EQ(replies, 3u);
  EXPECT_FALSE(forms_in(all, bundle_of(*system_).key_id()).empty());  // what must pass is found
  expect_nothing_secret_in(all);
}

TEST_P(HostileRelay, GainsNothingByAltering) {
  const auto flip = [](Kind kind, std::size_t before_end) {
    return [=](Bytes frame) {
      if (frame.front() == static_cast<std::uint8_t>(kind) && frame.size() > before_end)
        *(frame.end() - 1 - static_cast<std::ptrdiff_t>(before_end)) ^= 1;
      return Pieces{frame};
    };
  };
  for (const std::size_t before_end :
       {50u, 90u, 150u}) {  // behind them are the list of the visited and the budget
    meddle(flip(Kind::forward, before_end), {});
    expect_fails();
    meddle({}, flip(Kind::forwarded, before_end));
    expect_fails();
  }
  // The visited: one is asked in vain who need not have been, or it is no point, as half of the numbers are.
  meddle(flip(Kind::forward, 20), {});
  expect_opens_or_fails();
  // Lists of his own: nobody's, the asking agent's, with the company's reply twice or to another request.
  Bytes old;
  for (const Bytes& frame : recorded())
    if (const auto answer = Forwarded::parse(frame); answer && protocol::ChainReply::parse(answer->body))
      old = answer->body;
  ASSERT_FALSE(old.empty());
  auto renamed = *protocol::ChainReply::parse(old);
  renamed.entries[0].party = bundle_of(*system_).parameters()->parties[0].identity_key.bytes();
  for (const Bytes& body : {Bytes{}, Bytes(1000, 7), old, renamed.encode()}) {
    meddle({}, [&body](const Bytes& frame) {
      auto answer = Forwarded::parse(frame);
      if (!answer) return Pieces{frame};
      answer->error.reset();
      answer->body = body;
      return Pieces{answer->encode()};
    });
    expect_fails();
  }
  // A refusal of the company's that it never gave: it is no verdict, the company could not be asked.
  auto refused = *protocol::ChainReply::parse(old);
  refused.entries[0].answer =
      protocol::Refusal{.code = Code::denied, .detail = "file policy does not allow it", .request_id = {}};
  meddle({}, [&](const Bytes& frame) {
    auto answer = Forwarded::parse(frame);
    if (!answer) return Pieces{frame};
    answer->body = refused.encode();
    return Pieces{answer->encode()};
  });
  const Finished run = decrypt();
  EXPECT_EQ(run.exit_code, 4) << run.err;
  EXPECT_NE(run.err.find("could not be asked"), std::string::npos) << run.err;
  meddle({}, {});
  expect_both_run();
  expect_opens();
}

TEST_P(HostileRelay, GainsNothingByReplaying) {
  expect_opens();
  const int before = uses_at_company();
  Bytes old;
  for (const Bytes& frame : recorded())
    if (const auto forward = Forward::parse(frame); forward && forward->route == PeerRoute::decrypt)
      old = frame;
  ASSERT_FALSE(old.empty());
  // The same again, with each new one; and each new one twice.
  meddle(
      [&](const Bytes& frame) {
        auto again = Forward::parse(frame);
        if (!again) return Pieces{frame};
        auto replayed = *Forward::parse(old);
        replayed.id = again->id + 1'000'000;
        auto later = *again;
        later.id += 2'000'000;
        return Pieces{replayed.encode(), frame, later.encode()};
      },
      {});
  constexpr int kRounds = 3;
  for (int i = 0; i < kRounds; ++i)
    expect_opens_or_fails();  // which of two equal requests comes first is chance
  // Answers that come twice, or that nobody asked for.
  meddle({}, [](const Bytes& frame) { return Pieces{frame, frame}; });
  expect_opens();
  meddle({}, {});
  EXPECT_EQ(uses_at_company(), before + kRounds + 1);
  expect_both_run();
  expect_opens();
}

TEST_P(HostileRelay, GainsNothingByDroppingOrDelaying) {
  const auto nothing = [](const Bytes& frame) {
    return Forward::parse(frame) || Forwarded::parse(frame) ? Pieces() : Pieces{frame};
  };
  meddle(nothing, {});
  expect_opens_or_fails();  // the client may lose patience and ask the other agent
  meddle({}, nothing);
  expect_opens_or_fails();
  meddle({}, [](const Bytes& frame) {
    std::this_thread::sleep_for(milliseconds(500));
    return Pieces{frame};
  });
  expect_opens();
  meddle({}, {});
  expect_both_run();
  expect_opens();
}

TEST_P(HostileRelay, GainsNothingByReordering) {
  // The first answer waits for the second and goes behind it; then both carry the other's content.
  for (const bool exchanged : {false, true}) {
    std::optional<Bytes> held;
    meddle({}, [&held, exchanged](const Bytes& frame) {
      auto answer = Forwarded::parse(frame);
      if (!answer || !agent::Chains::owns(answer->id)) return Pieces{frame};
      if (!held) {
        held = frame;
        return Pieces();
      }
      auto first = *Forwarded::parse(*held);
      held.reset();
      if (exchanged) std::swap(first.body, answer->body);
      return Pieces{answer->encode(), first.encode()};
    });
    auto one = std::async(std::launch::async, [this] { return decrypt("one"); });
    auto two = std::async(std::launch::async, [this] { return decrypt("two"); });
    for (auto* const run : {&one, &two}) {
      const Finished finished = run->get();
      EXPECT_EQ(finished.exit_code == 0, !exchanged) << finished.err;
    }
    for (const char* const name : {"one", "two"}) {
      EXPECT_EQ(read_file(file(name)), exchanged ? "" : kContent);
      std::filesystem::remove(file(name));
    }
    meddle({}, {});
  }
  expect_both_run();
  expect_opens();
}

}  // namespace
}  // namespace coprotect::harness
