#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "protocol/base/bytes.h"

namespace coprotect::testdata {

// One block of a .vec file: lines `Name = Value`, ended by an empty line. Lines that begin with # are
// comments. A test must read every attribute of a block. An unread attribute fails the test when the block is
// destroyed, so that no vector is used only in part.
class Block {
 public:
  Block(std::string where, std::map<std::string, std::string> values)
      : where_(std::move(where)), values_(std::move(values)) {}
  Block(Block&&) = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  Block& operator=(Block&&) = delete;
  ~Block() {
    for (const auto& [name, value] : values_)
      EXPECT_TRUE(read_.contains(name)) << where_ << ": " << name << " is not used";
  }

  bool has(const std::string& name) const { return values_.contains(name); }
  std::string text(const std::string& name) const {
    read_.insert(name);
    const auto it = values_.find(name);
    if (it == values_.end()) {
      ADD_FAILURE() << where_ << ": no attribute " << name;
      return {};
    }
    return it->second;
  }
  Bytes hex(const std::string& name) const {
    const auto bytes = from_hex(text(name));
    if (!bytes) ADD_FAILURE() << where_ << ": " << name << " is not hexadecimal";
    return bytes.value_or(Bytes{});
  }
  std::uint64_t number(const std::string& name) const { return std::stoull(text(name)); }
  // Marks every attribute as read. Another test reads those that this one ignores.
  void all() const {
    for (const auto& [name, value] : values_) read_.insert(name);
  }
  const std::string& where() const { return where_; }

 private:
  std::string where_;
  std::map<std::string, std::string> values_;
  mutable std::set<std::string> read_;
};

// The blocks of protocol/testdata/<file>. Fails the test if there are none.
inline std::vector<Block> read_vectors(const std::string& file) {
  std::vector<Block> blocks;
  std::ifstream in(std::string(COPROTECT_SOURCE_DIR) + "/protocol/testdata/" + file);
  EXPECT_TRUE(in.good()) << file;
  std::map<std::string, std::string> values;
  std::size_t line_number = 0;
  std::size_t begins = 1;
  const auto end_block = [&] {
    if (!values.empty()) blocks.emplace_back(file + ":" + std::to_string(begins), std::move(values));
    values.clear();
  };
  for (std::string line; std::getline(in, line);) {
    ++line_number;
    if (line.starts_with('#')) continue;
    if (line.empty()) {
      end_block();
      continue;
    }
    if (values.empty()) begins = line_number;
    const auto equals = line.find(" = ");
    if (equals == std::string::npos) {
      ADD_FAILURE() << file << ":" << line_number << ": not Name = Value";
      continue;
    }
    values[line.substr(0, equals)] = line.substr(equals + 3);
  }
  end_block();
  EXPECT_FALSE(blocks.empty()) << file;
  return blocks;
}

}  // namespace coprotect::testdata
