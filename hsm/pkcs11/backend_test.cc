#include "hsm/pkcs11/backend.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "hsm/helper/pin.h"
#include "hsm/pkcs11/seal_key.h"
#include "protocol/base/random.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::hsm::pkcs11 {
namespace {

class BackendOnAToken : public testing::Test {
 protected:
  BackendOnAToken() { token_.use(); }
  Result<std::unique_ptr<Backend>> backend() const { return open({.uri = token_.uri()}); }
  Secret pin() const { return Secret::copy_of(bytes_of("271828")); }

  // Runs `use` in a logged-in session of our own token.
  template <typename F>
  void in_session(F&& use) const {
    const auto uri = Uri::parse(token_.uri());
    ASSERT_TRUE(uri);
    const auto modules = Modules::load(*uri);
    ASSERT_TRUE(modules);
    const auto slot = modules->find(*uri);
    ASSERT_TRUE(slot);
    auto session = Session::open(*slot);
    ASSERT_TRUE(session);
    ASSERT_TRUE(session->log_in(pin()));
    use(*session);
  }

  harness::Scratch scratch_;
  harness::SoftToken token_{scratch_ / "token"};
  Secret key_ = [] {
    Secret key(32);
    system_random().fill(key.fill());
    return key;
  }();
};

TEST_F(BackendOnAToken, MakesOneSealingKeyThatCannotBeTakenOut) {
  for (int i = 0; i < 2; ++i) {
    const auto opened = backend();
    ASSERT_TRUE(opened) << opened.error().message();
    const auto sealed = (*opened)->seal(key_);
    ASSERT_TRUE(sealed) << sealed.error().message();
  }
  in_session([](const Session& session) {
    const CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
    const auto found = session.find({attribute(CKA_CLASS, secret_key)}, 8);
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 1U);
    ByteArray<32> value;
    CK_ATTRIBUTE wanted = attribute(CKA_VALUE, value);
    EXPECT_EQ(session.module().C_GetAttributeValue(session.handle(), found->front(), &wanted, 1),
              CKR_ATTRIBUTE_SENSITIVE);
    const auto keys = SealKey::find_all(session, "coprotect-seal");
    ASSERT_TRUE(keys);
    ASSERT_EQ(keys->size(), 1U);
    const auto proper = keys->front().check_attributes();
    EXPECT_TRUE(proper) << proper.error().message();
  });
}

// A key that another program put there, with one permission more than our keys have.
class WronglyMadeKey : public BackendOnAToken {
 protected:
  struct Flag {
    CK_ATTRIBUTE_TYPE type;
    const char* name;
    CK_BBOOL value;
  };
  // A key as SealKey::make() makes it, except for one attribute.
  void make(const Flag& wrong) {
    in_session([&](const Session& session) {
      const CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
      const CK_KEY_TYPE aes = CKK_AES;
      const CK_ULONG size = 32;
      const CK_BBOOL yes = CK_TRUE;
      const CK_BBOOL no = CK_FALSE;
      const ByteArray<16> id{7};
      std::vector<CK_ATTRIBUTE> attributes = {attribute(CKA_CLASS, secret_key),
                                              attribute(CKA_KEY_TYPE, aes),
                                              attribute(CKA_TOKEN, yes),
                                              attribute(CKA_LABEL, bytes_of("coprotect-seal")),
                                              attribute(CKA_ID, id),
                                              attribute(CKA_VALUE_LEN, size)};
      for (const CK_ATTRIBUTE_TYPE type : {CKA_PRIVATE, CKA_SENSITIVE, CKA_ENCRYPT, CKA_DECRYPT})
        attributes.push_back(type == wrong.type ? attribute(type, wrong.value) : attribute(type, yes));
      for (const CK_ATTRIBUTE_TYPE type : {CKA_EXTRACTABLE, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP,
                                           CKA_DERIVE, CKA_MODIFIABLE, CKA_COPYABLE})
        attributes.push_back(type == wrong.type ? attribute(type, wrong.value) : attribute(type, no));
      CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
      CK_OBJECT_HANDLE made = 0;
      ASSERT_EQ(session.module().C_GenerateKey(session.handle(), &mechanism, attributes.data(),
                                               attributes.size(), &made),
                CKR_OK);
    });
  }
  Result<Bytes> seal() const {
    const auto opened = backend();
    if (!opened) return opened.error();
    return (*opened)->seal(key_);
  }
};

TEST_F(WronglyMadeKey, IsRefusedWhateverIsWrong) {
  const Flag flags[] = {{CKA_PRIVATE, "CKA_PRIVATE", CK_FALSE}, {CKA_SENSITIVE, "CKA_SENSITIVE", CK_FALSE},
                        {CKA_DECRYPT, "CKA_DECRYPT", CK_FALSE}, {CKA_EXTRACTABLE, "CKA_EXTRACTABLE", CK_TRUE},
                        {CKA_SIGN, "CKA_SIGN", CK_TRUE},        {CKA_VERIFY, "CKA_VERIFY", CK_TRUE},
                        {CKA_WRAP, "CKA_WRAP", CK_TRUE},        {CKA_UNWRAP, "CKA_UNWRAP", CK_TRUE},
                        {CKA_DERIVE, "CKA_DERIVE", CK_TRUE},    {CKA_MODIFIABLE, "CKA_MODIFIABLE", CK_TRUE},
                        {CKA_COPYABLE, "CKA_COPYABLE", CK_TRUE}};
  for (const Flag& flag : flags) {
    make(flag);
    const auto sealed = seal();
    ASSERT_FALSE(sealed) << flag.name;
    EXPECT_EQ(sealed.error().code(), Code::internal);
    EXPECT_NE(sealed.error().message().find(flag.name), std::string::npos) << sealed.error().message();
    in_session([](const Session& session) {
      const CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
      const auto found = session.find({attribute(CKA_CLASS, secret_key)}, 8);
      ASSERT_TRUE(found && found->size() == 1U);
      ASSERT_EQ(session.module().C_DestroyObject(session.handle(), found->front()), CKR_OK);
    });
  }
  EXPECT_TRUE(seal());
}

TEST_F(BackendOnAToken, TellsAnAlteredKeyFromATokenWithoutItsSealingKey) {
  Bytes sealed;
  {
    const auto opened = backend();
    ASSERT_TRUE(opened) << opened.error().message();
    const auto result = (*opened)->seal(key_);
    ASSERT_TRUE(result) << result.error().message();
    sealed = *result;
    Bytes changed = sealed;
    changed.back() ^= 1;
    const auto unsealed = (*opened)->unseal(changed);
    ASSERT_FALSE(unsealed);
    EXPECT_EQ(unsealed.error().code(), Code::altered) << unsealed.error().message();
    EXPECT_TRUE((*opened)->unseal(sealed));  // the session works on
  }
  in_session([](const Session& session) {
    const CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
    const auto found = session.find({attribute(CKA_CLASS, secret_key)}, 1);
    ASSERT_TRUE(found);
    ASSERT_EQ(session.module().C_DestroyObject(session.handle(), found->at(0)), CKR_OK);
  });
  const auto opened = backend();
  ASSERT_TRUE(opened) << opened.error().message();
  const auto unsealed = (*opened)->unseal(sealed);
  ASSERT_FALSE(unsealed);
  EXPECT_EQ(unsealed.error().code(), Code::altered) << unsealed.error().message();
}

TEST_F(BackendOnAToken, RefusesAUriThatSeveralTokensMatch) {
  token_.add("second");
  const std::string uri = token_.uri();
  const auto opened = open({.uri = "pkcs11:" + uri.substr(uri.find('?'))});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::malformed) << opened.error().message();
}

TEST_F(BackendOnAToken, FindsATokenBySerial) {
  const auto uri = Uri::parse(token_.uri());
  ASSERT_TRUE(uri);
  std::string serial;
  {
    const auto modules = Modules::load(*uri);
    ASSERT_TRUE(modules);
    const auto slot = modules->find(*uri);
    ASSERT_TRUE(slot);
    serial.assign(slot->info.serialNumber, slot->info.serialNumber + sizeof slot->info.serialNumber);
    serial.erase(serial.find_last_not_of(' ') + 1);
  }
  const std::string query = token_.uri().substr(token_.uri().find('?'));
  EXPECT_TRUE(open({.uri = "pkcs11:serial=" + serial + query}));
  const auto other = open({.uri = "pkcs11:serial=0" + query});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), Code::unavailable);
}

TEST_F(BackendOnAToken, SaysThatAPinIsMissing) {
  const auto opened = open({.uri = token_.uri_without_pin()});
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE((*opened)->probe());
  const auto sealed = (*opened)->seal(key_);
  ASSERT_FALSE(sealed);
  EXPECT_NE(sealed.error().message().find("pin-source"), std::string::npos) << sealed.error().message();
}

TEST(Check, TellsWhatTheCallerCanDo) {
  EXPECT_TRUE(check("C_Login", CKR_OK));
  const std::pair<CK_RV, Code> cases[] = {
      {CKR_PIN_INCORRECT, Code::wrong_code},  {CKR_PIN_LEN_RANGE, Code::wrong_code},
      {CKR_PIN_LOCKED, Code::locked_out},     {CKR_DEVICE_REMOVED, Code::unavailable},
      {CKR_GENERAL_ERROR, Code::unavailable}, {CKR_OBJECT_HANDLE_INVALID, Code::unavailable},
      {CKR_MECHANISM_INVALID, Code::internal}};
  for (const auto& [value, code] : cases) {
    const auto status = check("C_Login", value);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), code) << status.error().message();
    EXPECT_TRUE(status.error().message().starts_with("C_Login: "));
  }
}

TEST(PinFile, IsNotOpenToOthers) {
  const harness::Scratch scratch;
  harness::write_file(scratch / "pin", "1234");
  for (const mode_t mode : {0600U, 0400U, 0640U}) {
    ASSERT_EQ(chmod((scratch / "pin").c_str(), mode), 0);
    EXPECT_TRUE(PinFile::open("file:" + (scratch / "pin").string())) << std::oct << mode;
  }
  for (const mode_t mode : {0644U, 0604U, 0602U, 0660U, 0601U}) {
    ASSERT_EQ(chmod((scratch / "pin").c_str(), mode), 0);
    const auto file = PinFile::open("file:" + (scratch / "pin").string());
    ASSERT_FALSE(file) << std::oct << mode;
    EXPECT_EQ(file.error().code(), Code::malformed);
    EXPECT_NE(file.error().message().find("chmod"), std::string::npos) << file.error().message();
  }
}

TEST(PinFile, TakesOneLineEndOff) {
  const harness::Scratch scratch;
  const std::pair<std::string, std::string> files[] = {
      {"1234", "1234"}, {"1234\n", "1234"}, {"1234\r\n", "1234"}, {"1234\n\n", "1234\n"}, {" 1 ", " 1 "}};
  for (const auto& [content, pin] : files) {
    harness::write_file(scratch / "pin", content);
    const auto file = PinFile::open("file:" + (scratch / "pin").string());
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_EQ(text_of(file->pin().reveal()), pin);
  }
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string(256, '1'), std::string(100'000, '1')}) {
    harness::write_file(scratch / "pin", content);
    const auto file = PinFile::open("file:" + (scratch / "pin").string());
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code(), Code::unavailable);
  }
  EXPECT_FALSE(PinFile::open("file:pin"));
  EXPECT_FALSE(PinFile::open("|cat pin"));
}

}  // namespace
}  // namespace coprotect::hsm::pkcs11
