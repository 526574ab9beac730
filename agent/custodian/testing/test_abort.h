#pragma once

#include "agent/custodian/testing/test_handover.h"

namespace coprotect::agent::custodian::testing {

// A handover that is aborted before its epoch is finished.
class AbortHandover : public HandoverFixture {
 protected:
  bool still_opens() { return opens(bundle, pair.alice, {&pair.cloud, &pair.company}); }
  // To three agents, one of which joins.
  HandoverTool with_joiner(TestAgent& joiner) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                      {.t = 2, .agents = {{&pair.cloud, 1}, {&pair.company, 2}, {&joiner, 3}}, .recovery = 4},
                      {1, 2});
    tool.approve(pair.cloud);
    tool.approve(pair.company);
    return tool;
  }
};

}  // namespace coprotect::agent::custodian::testing
