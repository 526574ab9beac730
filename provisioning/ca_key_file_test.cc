#include "provisioning/ca_key_file.h"

#include "protocol/base/reader.h"
#include "provisioning/test_tenant.h"

namespace coprotect::provisioning {
namespace {

class CaKeyFile : public testing::Test {
 protected:
  const TestTenant::Issuer ca_ = TestTenant::authority("acme clients");
  const Secret passphrase_ = Secret::copy_of(bytes_of("a passphrase"));
  const Bytes file_ = *seal_ca_key(ca_.key, ca_.certificate, passphrase_, system_random(), {8, 1, 1});

  Code refusal(const Bytes& file) const {
    return open_ca_key(file, ca_.certificate, passphrase_).error().code();
  }
};

// Where the fields of SPEC.md §8.4 begin.
constexpr std::size_t kKeyHash = 5;
constexpr std::size_t kMemory = 37;
constexpr std::size_t kPasses = 41;
constexpr std::size_t kLanes = 45;
constexpr std::size_t kSalt = 46;
constexpr std::size_t kNonce = 62;
constexpr std::size_t kSealedSize = 74;
constexpr std::size_t kSealed = 76;

TEST_F(CaKeyFile, OpensWithThePassphraseOnly) {
  const auto key = open_ca_key(file_, ca_.certificate, passphrase_);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->public_key(), ca_.key.public_key());
  EXPECT_EQ(file_.size(), kSealed + 32 + 16);
  const auto wrong = open_ca_key(file_, ca_.certificate, Secret::copy_of(bytes_of("a passphrasE")));
  EXPECT_EQ(wrong.error().code(), Code::wrong_code);
}

TEST_F(CaKeyFile, CostsWhatTheSpecificationSays) {
  const Bytes file =
      *seal_ca_key(ca_.key, ca_.certificate, passphrase_, system_random(), ca_key_cost(kCaKeyMemoryMib));
  EXPECT_TRUE(open_ca_key(file, ca_.certificate, passphrase_));
  Reader cost(ByteView(file).subspan(kMemory));
  EXPECT_EQ(cost.u32(), 262'144u);
  EXPECT_EQ(cost.u32(), 3u);
  EXPECT_EQ(cost.u8(), 4u);
}

TEST_F(CaKeyFile, IsOfOneCa) {
  const auto other = TestTenant::authority("other clients");
  EXPECT_EQ(open_ca_key(file_, other.certificate, passphrase_).error().code(), Code::conflict);
}

TEST_F(CaKeyFile, RefusesEveryOtherForm) {
  for (std::size_t size = 0; size < file_.size(); ++size)
    EXPECT_EQ(refusal(Bytes(file_.begin(), file_.begin() + static_cast<std::ptrdiff_t>(size))),
              Code::malformed)
        << size;
  Bytes longer = file_;
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), Code::malformed);
}

TEST_F(CaKeyFile, FindsEachFieldThatWasChanged) {
  const struct {
    std::size_t offset;
    Code code;
  } cases[] = {{0, Code::malformed},
               {4, Code::malformed},
               {kKeyHash, Code::conflict},
               {kMemory + 3, Code::wrong_code},
               {kPasses + 3, Code::wrong_code},
               {kSalt, Code::wrong_code},
               {kNonce, Code::wrong_code},
               {kSealedSize, Code::malformed},
               {kSealed, Code::wrong_code},
               {kSealed + 47, Code::wrong_code}};
  for (const auto& c : cases) {
    Bytes changed = file_;
    changed[c.offset] ^= 2;
    EXPECT_EQ(refusal(changed), c.code) << c.offset;
  }
}

TEST_F(CaKeyFile, RefusesCostsOverTheLimitBeforeItPaysThem) {
  for (const std::size_t offset : {kMemory, kPasses, kLanes}) {
    Bytes greedy = file_;
    greedy[offset] = 0xff;
    EXPECT_EQ(refusal(greedy), Code::malformed) << offset;
  }
}

}  // namespace
}  // namespace coprotect::provisioning
