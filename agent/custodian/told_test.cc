#include "agent/custodian/told.h"

#include <gtest/gtest.h>

namespace coprotect::agent::custodian {
namespace {

TEST(WhatOthersAreTold, HasNoPaths) {
  for (const auto& [text, shown] : {
           std::pair{"", ""},
           {"nothing of it", "nothing of it"},
           {"\"/var/lib/coprotect/epochs\" is missing", "\"epochs\" is missing"},
           {"cannot open /a b/c", "cannot open a b/c"},
           {"\"/a b/c\"", "\"c\""},
           {"token \"pkcs11:token=x?module-path=/usr/lib/m.so&pin-source=file:/etc/pin\" is gone",
            "token \"pkcs11:token=x?module-path=m.so&pin-source=file:pin\" is gone"},
           {"tpm:swtpm:path=/run/s: refused", "tpm:swtpm:path=s: refused"},
           {"https://hsm1:8443/v1 and 3/4", "https://hsm1:8443/v1 and 3/4"},
           {"/", ""},
       })
    EXPECT_EQ(without_paths(text), shown);
}

TEST(WhatOthersAreTold, IsNoWrongCode) {
  const Error error = told({Code::wrong_code, "the PIN in \"/etc/pin\" is wrong"});
  EXPECT_EQ(error.code(), Code::locked_out);
  EXPECT_EQ(error.message().find("/etc"), std::string::npos) << error.message();
  EXPECT_EQ(told({Code::altered, "x"}).code(), Code::altered);
}

}  // namespace
}  // namespace coprotect::agent::custodian
