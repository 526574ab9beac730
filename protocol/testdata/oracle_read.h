#pragma once

#include <gtest/gtest.h>

#include "protocol/testdata/vectors.h"
#include "protocol/threshold/partial.h"

// Helpers with which tests read the values of oracle.vec.
namespace coprotect::protocol {

using testdata::Block;

inline const Group& group_of_block(const Block& block) {
  return group_of(*suite_by_name(block.text("Suite")));
}

template <std::size_t N>
ByteArray<N> array_of(const Bytes& bytes) {
  ByteArray<N> array{};
  EXPECT_EQ(bytes.size(), N);
  std::copy_n(bytes.begin(), std::min(N, bytes.size()), array.begin());
  return array;
}
inline Digest digest_of(const Block& block, const std::string& name) {
  return array_of<32>(block.hex(name));
}

inline Element element_of(const Group& group, const Block& block, const std::string& name) {
  return *group.parse(block.hex(name));
}
inline Scalar scalar_of(const Group& group, const Block& block, const std::string& name) {
  return *Scalar::parse(group.scalars(), block.hex(name));
}
inline std::vector<Element> elements_of(const Group& group, const Block& block, const std::string& name) {
  std::vector<Element> elements;
  const Bytes all = block.hex(name);
  for (std::size_t i = 0; i < all.size(); i += group.element_size())
    elements.push_back(*group.parse(ByteView(all).subspan(i, group.element_size())));
  return elements;
}
inline DleqProof proof_of(const Group& group, const Block& block, const std::string& name) {
  const Bytes proof = block.hex(name);
  return {array_of<32>(Bytes(proof.begin(), proof.begin() + 32)),
          *Scalar::parse(group.scalars(), ByteView(proof).subspan(32))};
}

// Block types of oracle_read_messages.cc.
void check_request(const Block& block);
void check_derive(const Block& block);
void check_chain(const Block& block);
void check_log(const Block& block);
void check_status(const Block& block);

}  // namespace coprotect::protocol
