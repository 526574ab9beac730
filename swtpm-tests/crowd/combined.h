#pragma once

#include <memory>
#include <vector>

#include "swtpm-tests/crowd/adversary.h"

namespace coprotect::harness::crowd {

// Several adversaries together, of which at most one prepares something.
class Combined : public Adversary {
 public:
  Combined(std::string name, std::vector<std::shared_ptr<Adversary>> all)
      : name_(std::move(name)), all_(std::move(all)) {}
  std::string name() const override { return name_; }
  void prepare() override;
  void begin() override;
  void step(std::chrono::milliseconds since_begin) override;
  void end() override;
  std::string account() const override;
  std::optional<std::string> harms() const override;
  std::string why_repeated() const override;
  bool limits_a_day() const override;
  bool ends_processes() const override;

 private:
  const std::string name_;
  const std::vector<std::shared_ptr<Adversary>> all_;
};

}  // namespace coprotect::harness::crowd
