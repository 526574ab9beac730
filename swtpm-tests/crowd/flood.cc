#include "swtpm-tests/crowd/flood.h"

namespace coprotect::harness::crowd {

void Flood::add(unsigned threads, const std::function<Send()>& make) {
  for (unsigned i = 0; i < threads; ++i)
    threads_.emplace_back([this, send = make()](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        {
          const std::lock_guard lock(mutex_);
          ++sent_;
        }
        const Status sent = send();
        const std::lock_guard lock(mutex_);
        Outcome& outcome = outcomes_[sent ? "ok" : std::string(code_name(sent.error().code()))];
        ++outcome.times;
        if (!sent) outcome.message = sent.error().message();
      }
    });
}

std::string Flood::account() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const auto& [name, outcome] : outcomes_) {
    text += (text.empty() ? "" : ", ") + std::to_string(outcome.times) + " " + name;
    if (!outcome.message.empty()) text += " (\"" + outcome.message + "\")";
  }
  return (text.empty() ? "nothing was answered" : text) + "; " + std::to_string(sent_) + " were sent";
}

}  // namespace coprotect::harness::crowd
