#include "swtpm-tests/crowd/crowds.h"

#include <gtest/gtest.h>

namespace coprotect::harness::crowd {

void StrangersEverywhere::begin() {
  constexpr std::uint32_t kBetween = 0x100000;
  std::uint32_t first = 0x7fc00001;  // 127.192.0.1
  for (const std::string& party : kParties) {
    outside_.start({"strangers", scene_.agent(party).url(), "10000", std::to_string(first)});
    first += kBetween;
  }
}

RemovedClient::RemovedClient(Scene& scene) : scene_(scene), client_(scene.enrol("removed")), outside_(scene) {
  const Finished run = scene.system().remove_client("removed");
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

void RemovedClient::begin() {
  for (const std::string& party : kParties) {
    outside_.start("kept", client_, scene_.key_file(), party, 4);
    outside_.start("fresh", client_, scene_.key_file(), party, 2);
  }
}

void DearBatches::prepare() {
  const Sealed file = seal(scene_.dear_key());
  const client::LockedFile one = locked(file);
  for (const std::string& party : kParties) {
    const Status opened =
        Asking(scene_.dear_key(), client_, party, std::chrono::seconds(30)).ask(std::span(&one, 1));
    EXPECT_TRUE(opened) << opened.error().message();
  }
}

void DearBatches::begin() {
  for (const std::string& party : kParties)
    outside_.start("batches", client_, scene_.dear_key_file(), party, connections_);
}

void Exhausting::begin() {
  for (const std::string& party : kParties) outside_.start("kept", client_, scene_.key_file(), party, 8);
}

void Exhausting::end() {
  outside_.end();
  scene_.allow_requests(kUnlimited);
}

}  // namespace coprotect::harness::crowd
