#pragma once

#include "swtpm-tests/crowd/adversary.h"
#include "swtpm-tests/crowd/outside.h"

namespace coprotect::harness::crowd {

// 10 000 connections of strangers to each agent.
class StrangersEverywhere : public Adversary {
 public:
  explicit StrangersEverywhere(Scene& scene) : scene_(scene), outside_(scene) {}
  std::string name() const override { return "10 000 strangers at each agent"; }
  void begin() override;
  void end() override { outside_.end(); }
  std::string account() const override { return outside_.account(); }
  std::string why_repeated() const override {
    return "more strangers come within a client's two round trips than have places";
  }

 private:
  Scene& scene_;
  Outside outside_;
};

// A client that both agents were told to refuse sends what it always sent, over connections that it keeps and
// over new ones.
class RemovedClient : public Adversary {
 public:
  explicit RemovedClient(Scene& scene);
  std::string name() const override { return "a removed client's flood"; }
  void begin() override;
  void end() override { outside_.end(); }
  std::string account() const override { return outside_.account(); }

 private:
  Scene& scene_;
  const Client client_;
  Outside outside_;
};

// A client sends as many files of ffdhe3072 as fit into a request, over several connections to each agent.
class DearBatches : public Adversary {
 public:
  // `connections` to each agent.
  DearBatches(Scene& scene, unsigned connections)
      : scene_(scene), connections_(connections), client_(scene.enrol("dear")), outside_(scene) {}
  std::string name() const override { return "one client's batches of 256 in ffdhe3072"; }
  // Has the agents take the key's shares into memory.
  void prepare() override;
  void begin() override;
  void end() override { outside_.end(); }
  std::string account() const override { return outside_.account(); }

 private:
  Scene& scene_;
  const unsigned connections_;
  const Client client_;
  Outside outside_;
};

// A client asks until its day is used up, and goes on.
class Exhausting : public Adversary {
 public:
  // A day has this many requests.
  Exhausting(Scene& scene, unsigned requests)
      : scene_(scene), requests_(requests), client_(scene.enrol("exhausting")), outside_(scene) {}
  std::string name() const override { return "a client that uses up its day"; }
  void prepare() override { scene_.allow_requests(requests_); }
  void begin() override;
  void end() override;
  std::string account() const override { return outside_.account(); }
  bool limits_a_day() const override { return true; }

 private:
  Scene& scene_;
  const unsigned requests_;
  const Client client_;
  Outside outside_;
};

}  // namespace coprotect::harness::crowd
