#include "provisioning/recovery_sheet.h"

#include <sstream>

#include "protocol/base/in_groups.h"
#include "provisioning/test_tenant.h"

namespace coprotect::provisioning {
namespace {

TEST(RecoverySheet, FitsOnAPage) {
  const TestTenant tenant;
  std::istringstream page(recovery_sheet(tenant.bundle, "acme.kit", now_ms()));
  std::size_t lines = 0;
  for (std::string line; std::getline(page, line); ++lines) EXPECT_LE(line.size(), 80u) << line;
  EXPECT_LE(lines, 66u);
}

TEST(RecoverySheet, SaysWhatIsNeededToRecover) {
  const TestTenant tenant;
  const std::string page = recovery_sheet(tenant.bundle, "acme.kit", 1'800'000'000'000);
  for (const std::string& part :
       {std::string("acme"), std::string("p256"), std::string("2027-01-15T08:00:00Z"),
        std::string("https://cloud.example:8443"), std::string("https://company.example:8443"),
        in_groups(tenant.bundle.key_id(), "    "), in_groups(tenant.cloud.certificate.key_hash(), "    "),
        in_groups(tenant.company.certificate.key_hash(), "    "),
        std::string("coprotect decrypt --recover --kit acme.kit FILE.cop"),
        std::string("_ _ _ _ _ - _ _ _ _ _")})
    EXPECT_NE(page.find(part), std::string::npos) << part;
}

TEST(InGroups, BreaksADigestIntoComparableGroups) {
  EXPECT_EQ(in_groups(*from_hex("0123456789abcdef"), "> "), "> 0123 4567 89ab cdef");
  EXPECT_EQ(in_groups(Bytes(32, 0xaa), "  "),
            "  aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa\n  aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa");
}

}  // namespace
}  // namespace coprotect::provisioning
