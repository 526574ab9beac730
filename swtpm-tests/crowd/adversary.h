#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::harness::crowd {

// Somebody, or something that happens, which may cost honest clients no more than a moment.
class Adversary {
 public:
  virtual ~Adversary() = default;
  virtual std::string name() const = 0;

  // What must be there before the quiet time is measured.
  virtual void prepare() {}
  virtual void begin() = 0;
  // Called again and again from begin() to end(), by the thread that the processes which it starts are to
  // outlive.
  virtual void step(std::chrono::milliseconds /*since_begin*/) {}
  virtual void end() = 0;
  // What it met with, for the report.
  virtual std::string account() const { return {}; }

  // The agent that cannot do its part while this lasts: honest clients measure the other one alone.
  virtual std::optional<std::string> harms() const { return std::nullopt; }
  // What that agent may answer meanwhile.
  virtual std::set<Code> excuses() const { return {Code::unavailable}; }
  // Why an honest request may get `unavailable` and must be repeated. Empty: it may not.
  virtual std::string why_repeated() const { return {}; }
  // Whether a client may ask for less in one day than honest ones do in the whole test.
  virtual bool limits_a_day() const { return false; }
  // Whether processes of the agents end.
  virtual bool ends_processes() const { return false; }
  // In place of three times the quiet median.
  virtual std::optional<std::chrono::milliseconds> limit() const { return std::nullopt; }
};

}  // namespace coprotect::harness::crowd
