#pragma once

#include <gtest/gtest.h>

#include <string>

#include "protocol/group/suite.h"

namespace coprotect::protocol::test {

// A curve and a safe-prime group, for INSTANTIATE_TEST_SUITE_P.
inline auto tested_suites() {
  return testing::Values(SuiteId::p256, SuiteId::ffdhe3072);
}
inline std::string suite_label(const testing::TestParamInfo<SuiteId>& suite) {
  return std::string(suite_name(suite.param));
}

}  // namespace coprotect::protocol::test
