#pragma once

#include "protocol/testdata/vectors.h"

namespace coprotect::testdata {

// The block ```vector NAME of a document in protocol/, with inputs and outputs (oracle/documents.py). A line
// that begins with a space continues the line before.
inline Block read_document(const std::string& file, const std::string& name) {
  std::ifstream in(std::string(COPROTECT_SOURCE_DIR) + "/protocol/" + file);
  std::map<std::string, std::string> values;
  std::string last;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (!inside) {
      inside = line == "```vector " + name;
    } else if (line == "```") {
      break;
    } else if (line.starts_with(' ')) {
      values[last] += line.substr(line.find_first_not_of(' '));
    } else if (const auto equals = line.find(" ="); equals != std::string::npos) {
      last = line.substr(0, equals);
      values[last] = line.substr(std::min(equals + 3, line.size()));
    }
  }
  EXPECT_FALSE(values.empty()) << file << ": no vector " << name;
  return {file + ": " + name, std::move(values)};
}

}  // namespace coprotect::testdata
