#include "hsm/tpm2/error.h"

#include <gtest/gtest.h>

namespace coprotect::hsm::tpm2 {
namespace {

struct Case {
  TSS2_RC rc;
  Code code;
};

// Codes as TPMs and libraries returned them.
constexpr Case kCases[] = {
    {0x98e, Code::wrong_code},     // TPM_RC_AUTH_FAIL, session 1
    {0x9a2, Code::wrong_code},     // TPM_RC_BAD_AUTH, session 1
    {0x921, Code::locked_out},     // TPM_RC_LOCKOUT
    {0x1df, Code::altered},        // TPM_RC_INTEGRITY, parameter 1
    {0x1e5, Code::altered},        // TPM_RC_BINDING, parameter 1
    {0x902, Code::limited},        // TPM_RC_OBJECT_MEMORY
    {0x903, Code::limited},        // TPM_RC_SESSION_MEMORY
    {0x910, Code::limited},        // TPM_RC_REFERENCE_H0
    {0x918, Code::limited},        // TPM_RC_REFERENCE_S0
    {0x100, Code::unavailable},    // TPM_RC_INITIALIZE
    {0x101, Code::unavailable},    // TPM_RC_FAILURE
    {0x922, Code::unavailable},    // TPM_RC_RETRY
    {0xa000a, Code::unavailable},  // the TCTI lost its connection
    {0x70007, Code::unavailable},  // ESYS after it
    {0x9000b, Code::unavailable},  // an answer that cannot be read
    {0x1d5, Code::internal},       // TPM_RC_SIZE, parameter 1
    {0x99d, Code::internal},       // TPM_RC_POLICY_FAIL, session 1
};

TEST(Check, TellsWhatTheCallerCanDo) {
  EXPECT_TRUE(check("TPM2_Unseal", TSS2_RC_SUCCESS));
  for (const Case& c : kCases) {
    const auto status = check("TPM2_Unseal", c.rc);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), c.code) << status.error().message();
  }
}

TEST(Check, SeesThroughAResourceManager) {
  for (const Case& c : kCases) {
    if ((c.rc & TSS2_RC_LAYER_MASK) != 0) continue;
    const auto status = check("TPM2_Unseal", c.rc | TSS2_RESMGR_TPM_RC_LAYER);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), c.code) << status.error().message();
  }
}

TEST(Check, NamesCommandAndCode) {
  const std::string message = check("TPM2_Unseal", 0x921).error().message();
  EXPECT_TRUE(message.starts_with("TPM2_Unseal: ")) << message;
  EXPECT_TRUE(message.ends_with("(0x921)")) << message;
}

}  // namespace
}  // namespace coprotect::hsm::tpm2
