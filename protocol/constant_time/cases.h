#pragma once

#include <string>
#include <vector>

namespace coprotect::constant_time {

// One computation on poisoned secrets.
struct Case {
  std::string name;
  void (*run)();
};

// Code that branches on a secret, or reads at a secret address. memcheck must report each one.
std::vector<Case> controls();

std::vector<Case> arithmetic_cases();
std::vector<Case> symmetric_cases();
std::vector<Case> threshold_cases();
std::vector<Case> recovery_cases();

}  // namespace coprotect::constant_time
