#include "hsm/erasure_holds.h"

#include <gtest/gtest.h>

#include <fstream>

#include "protocol/base/random.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::hsm {
namespace {

using protocol::KeyId;

class ErasureHoldsTest : public testing::Test {
 protected:
  Keyring keyring(const std::string& name) const {
    return must(Keyring::create(Token({.uri = tpm_.uri(), .helper = COPROTECT_TOKEN}), scratch_ / name,
                                system_random()));
  }
  std::filesystem::path file(std::uint8_t key) const { return scratch_ / "holds" / to_hex(KeyId{key}); }
  // Flips a bit of a file.
  static void change(const std::filesystem::path& file, std::size_t at) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const int byte = stream.get();
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(byte ^ 1));
  }
  static std::string code_of(const Result<std::optional<ErasureHold>>& result) {
    return result ? "ok" : std::string(code_name(result.error().code()));
  }

  harness::Scratch scratch_;
  harness::SoftTpm tpm_{scratch_ / "tpm"};
  Keyring own_ = keyring("keyring");
  ErasureHolds at_{scratch_.path(), own_};
};

TEST_F(ErasureHoldsTest, SaysWhatTheOperatorSaidLast) {
  EXPECT_EQ(must(at_.of({1})), std::nullopt);
  EXPECT_TRUE(must(at_.all()).empty());
  const auto held = must(at_.put({1}, true, 1000));
  EXPECT_EQ(held, (ErasureHold{.key_id = {1}, .number = 1000, .held = true}));
  EXPECT_EQ(must(at_.of({1})), held);
  EXPECT_EQ(must(at_.of({2})), std::nullopt);
  // The later of two statements is the newer, whatever the clock says.
  EXPECT_EQ(must(at_.put({1}, false, 900)).number, 1001u);
  EXPECT_FALSE(must(at_.of({1}))->held);
  EXPECT_EQ(must(at_.put({1}, true, 2000)).number, 2000u);
  must(at_.put({2}, false, 5));
  EXPECT_EQ(must(at_.all()).size(), 2u);
}

TEST_F(ErasureHoldsTest, EveryChangedByteIsFound) {
  must(at_.put({1}, true, 1000));
  const auto size = std::filesystem::file_size(file(1));
  for (std::size_t at = 0; at < size; ++at) {
    change(file(1), at);
    EXPECT_EQ(code_of(at_.of({1})), "altered") << "byte " << at;
    change(file(1), at);
  }
  EXPECT_EQ(code_of(at_.of({1})), "ok");
  for (std::size_t length = 0; length < size; ++length) {
    must(at_.put({1}, true, 1000));
    std::filesystem::resize_file(file(1), length);
    EXPECT_EQ(code_of(at_.of({1})), "altered") << length << " bytes";
  }
  std::ofstream(file(1)) << std::string(std::size_t{1} << 20, 'x');
  EXPECT_EQ(code_of(at_.of({1})), "altered");
  // The list still names the key; a new statement replaces it.
  ASSERT_EQ(must(at_.all()).size(), 1u);
  EXPECT_FALSE(must(at_.all())[0].said);
  EXPECT_EQ(must(at_.all())[0].key_id, KeyId{1});
  must(at_.put({1}, false, 1000));
  EXPECT_EQ(code_of(at_.of({1})), "ok");
}

TEST_F(ErasureHoldsTest, AnotherHandsAndAnotherKeysAreFound) {
  const Keyring other = keyring("other");
  must(ErasureHolds(scratch_.path(), other).put({1}, false, 1000));
  EXPECT_EQ(code_of(at_.of({1})), "altered");
  must(at_.put({2}, false, 1000));
  std::filesystem::rename(file(2), file(1));
  EXPECT_EQ(code_of(at_.of({1})), "altered");
  // Another file of this keyring does not verify either.
  must(MacFiles(own_).write(file(1), {1, 2, 3}));
  EXPECT_EQ(code_of(at_.of({1})), "altered");
}

TEST_F(ErasureHoldsTest, WhatCannotBeReadIsAnError) {
  std::filesystem::create_directories(file(1));
  EXPECT_EQ(code_of(at_.of({1})), "altered");
  EXPECT_FALSE(at_.put({1}, false, 1));
  std::filesystem::remove_all(scratch_ / "holds");
  std::ofstream(scratch_ / "holds") << "no folder";
  EXPECT_FALSE(at_.all());
  EXPECT_EQ(code_of(at_.of({1})), "unavailable");
}

}  // namespace
}  // namespace coprotect::hsm
