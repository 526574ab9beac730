#include "swtpm-tests/crowd/scene.h"

#include <gtest/gtest.h>

#include <csignal>
#include <thread>

namespace coprotect::harness::crowd {
namespace {

const std::string kCap = "requests_per_client_per_day = ";

}  // namespace

Scene::Scene()
    : system_({.hold_seconds = 86'400,
               .policy = kCap + std::to_string(kUnlimited) +
                         "\nrequests_per_key_per_day = " + std::to_string(kUnlimited) + "\n",
               .derive_policy = ""}) {
  const auto add = [this](const std::string& name, const std::string& suite) {
    const Finished run = system_.add_key(name, {"--purpose", "envelope", "--suite", suite});
    EXPECT_EQ(run.exit_code, 0) << run.err;
  };
  add("dear", "ffdhe3072");
  add("cold", "p256");
  key_ = load_bundle(key_file());
  dear_key_ = load_bundle(dear_key_file());
  cold_key_ = load_bundle(cold_key_file());
}

Client Scene::enrol(const std::string& name) {
  return load_client(system_.add_client(name));
}

void Scene::allow_requests(unsigned a_day) {
  for (const std::string& party : kParties) {
    std::string config = read_file(agent(party).config());
    const std::size_t begin = config.find(kCap);
    config.replace(begin, config.find('\n', begin) - begin, kCap + std::to_string(a_day));
    write_file(agent(party).config(), config);
    agent(party).daemon().signal(SIGHUP);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // until they have read it
}

void Scene::use_twin(const std::vector<std::string>& environment) {
  system_.cloud().stop();
  system_.cloud().environment = environment;
  ASSERT_TRUE(system_.cloud().start({.with_faults = true}));
}

void Scene::use_program() {
  system_.cloud().stop();
  system_.cloud().environment.clear();
  ASSERT_TRUE(system_.cloud().start());
}

}  // namespace coprotect::harness::crowd
