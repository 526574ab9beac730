#include "client/provider/uri.h"

#include <gtest/gtest.h>

namespace coprotect::provider {
namespace {

keyclient::Key key(std::string name, std::uint8_t id) {
  return {.name = std::move(name),
          .key_id = {id},
          .suite = keyclient::Suite::p256,
          .purpose = keyclient::Purpose::derive,
          .login_needed = false,
          .patience = {},
          .public_key = {},
          .prime = {}};
}

TEST(KeyUri, NamesAKeyByNameByIdOrNotAtAll) {
  const auto by_name = KeyUri::parse("coprotect:mail-2");
  ASSERT_TRUE(by_name);
  EXPECT_TRUE(by_name->means(key("mail-2", 1)));
  EXPECT_FALSE(by_name->means(key("mail", 1)));
  EXPECT_FALSE(by_name->means_all());

  const auto by_id = KeyUri::parse("coprotect:id=0A" + std::string(62, '0'));
  ASSERT_TRUE(by_id);
  EXPECT_TRUE(by_id->means(key("mail", 10)));
  EXPECT_FALSE(by_id->means(key("mail", 11)));
  EXPECT_FALSE(by_id->means_all());

  const auto all = KeyUri::parse("coprotect:");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->means_all());
  EXPECT_TRUE(all->means(key("mail", 1)));
}

TEST(KeyUri, RefusesEverythingElse) {
  for (const std::string& uri :
       {std::string(), std::string("coprotect"), std::string("COPROTECT:mail"), std::string("file:mail"),
        std::string("coprotect://mail"), std::string("coprotect:Mail"), std::string("coprotect:a b"),
        std::string("coprotect:mail?pin=1"), std::string("coprotect:id="), std::string("coprotect:id=0a"),
        "coprotect:id=" + std::string(64, 'g'), "coprotect:id=" + std::string(66, '0'),
        "coprotect:" + std::string(65, 'a'), std::string("coprotect:a\0b", 13)}) {
    const auto parsed = KeyUri::parse(uri);
    ASSERT_FALSE(parsed) << uri;
    EXPECT_EQ(parsed.error().code(), Code::malformed);
  }
}

}  // namespace
}  // namespace coprotect::provider
