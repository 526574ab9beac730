#pragma once

#include <filesystem>
#include <fstream>

#include "protocol/base/random.h"
#include "protocol/threshold/partial.h"

// Helpers with which tests write values for the oracle.
namespace coprotect::protocol {

constexpr std::int64_t kNow = 1'767'225'600'000;
constexpr std::int64_t kLater = kNow + 3'600'000;

// Writes blocks of `Name = Value`. That includes the test's secrets, which protect nothing.
class Blocks {
 public:
  explicit Blocks(std::filesystem::path file) : out_(std::move(file)) {}
  Blocks& text(std::string_view name, std::string_view value) {
    out_ << name << " = " << value << "\n";
    return *this;
  }
  Blocks& hex(std::string_view name, ByteView value) { return text(name, to_hex(value)); }
  Blocks& proof(std::string_view name, const DleqProof& proof) {
    return text(name, to_hex(proof.c) + to_hex(proof.z.bytes().reveal()));
  }
  Blocks& elements(std::string_view name, const std::vector<Element>& elements) {
    std::string all;
    for (const Element& e : elements) all += to_hex(e.encode());
    return text(name, all);
  }
  void end() { out_ << std::endl; }

 private:
  std::ofstream out_;
};

inline Digest random_digest() {
  Digest d{};
  system_random().fill(d);
  return d;
}

// Block types of oracle_write_messages.cc.
void write_request(Blocks& blocks, const Group& group);
void write_derive(Blocks& blocks, const Group& group);
void write_chain(Blocks& blocks, const Group& group);
void write_log(Blocks& blocks, const Group& group);
void write_status(Blocks& blocks, const Group& group);

}  // namespace coprotect::protocol
