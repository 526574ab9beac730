#include "swtpm-tests/crowd/figures.h"

#include <algorithm>
#include <cstdio>

namespace coprotect::harness::crowd {
namespace {

std::string number(double value, const char* format = "%.1f") {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

Figures figures_of(std::vector<double> milliseconds) {
  if (milliseconds.empty()) return {};
  std::ranges::sort(milliseconds);
  const std::size_t count = milliseconds.size();
  return {.count = count,
          .median = milliseconds[count / 2],
          .p99 = milliseconds[std::min(count - 1, count * 99 / 100)]};
}

std::string table(const std::vector<Row>& rows) {
  std::string text =
      "| adversary | connections | agents | quiet median | quiet p99 | p50 | p99 | p99 / quiet median | "
      "requests | repeated | failed |\n|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    text += "| " + row.adversary + " | " + row.connections + " | " + row.asked + " | " +
            number(row.quiet.median) + " ms | " + number(row.quiet.p99) + " ms | " +
            number(row.beside.median) + " ms | " + number(row.beside.p99) + " ms | " + number(row.ratio()) +
            "× | " + std::to_string(row.beside.count) + " | " + std::to_string(row.repeated) + " | " +
            std::to_string(row.failed) + " |\n";
  }
  return text;
}

}  // namespace coprotect::harness::crowd
