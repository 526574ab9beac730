#pragma once

#include <string>
#include <vector>

namespace coprotect::harness::crowd {

// How long requests took, in milliseconds.
struct Figures {
  std::size_t count = 0;
  double median = 0;
  double p99 = 0;
};
Figures figures_of(std::vector<double> milliseconds);

// One line of the report: one kind of honest client beside one adversary.
struct Row {
  std::string adversary;
  std::string connections;  // "kept", "fresh"
  std::string asked;        // "both", or the agent that the adversary spares
  Figures quiet;
  Figures beside;
  std::size_t repeated = 0;
  std::size_t failed = 0;
  double ratio() const { return quiet.median > 0 ? beside.p99 / quiet.median : 0; }
};
// In Markdown.
std::string table(const std::vector<Row>& rows);

}  // namespace coprotect::harness::crowd
