#include "swtpm-tests/crowd/hanging.h"

#include <gtest/gtest.h>

#include <thread>

#include "swtpm-tests/crowd/agent_processes.h"

namespace coprotect::harness::crowd {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

}  // namespace

void HangingPeer::begin() {
  stopped_ = processes_of(scene_.system().company());
  for (const pid_t process : stopped_) ::kill(process, SIGSTOP);
  outside_.start("chains", client_, scene_.key_file(), "cloud", 16);
}

void HangingPeer::resume() {
  for (const pid_t process : stopped_) ::kill(process, SIGCONT);
  stopped_.clear();
}

void HangingPeer::end() {
  outside_.end();
  resume();
}

void HangingChip::prepare() {
  scene_.use_program();  // which holds no share of the cold key
}

void HangingChip::begin() {
  scene_.system().tpm().hang();
  outside_.start("kept", client_, scene_.cold_key_file(), "cloud", 4);
}

void HangingChip::end() {
  outside_.end();
  scene_.system().tpm().resume();
  Asking asking(scene_.cold_key(), client_, "cloud", 10s);
  Status opened = Error(Code::unavailable, "not asked");
  for (const auto end = Clock::now() + 90s; !opened && Clock::now() < end;
       std::this_thread::sleep_for(200ms)) {
    const Sealed file = seal(scene_.cold_key());
    const client::LockedFile one = locked(file);
    opened = asking.ask(std::span(&one, 1));
  }
  EXPECT_TRUE(opened) << "the chip answers, and the agent does not use it: " << opened.error().message();
}

}  // namespace coprotect::harness::crowd
