#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::agent::custodian::testing {

// Two agents before a key generation. The test's parameter is the key's suite.
class TestCeremony : public ::testing::TestWithParam<protocol::SuiteId> {
 protected:
  Bytes abort_message(std::size_t agent = 0) {
    return control(pair.tool.invitation(agent), protocol::ControlKind::abort, pair.tool.sid());
  }
  Result<Bytes> reopened(ipc::Route route, Bytes body) {
    pair.cloud.close();
    pair.cloud.open();
    return pair.tool.post(0, route, std::move(body));
  }
  // The number of key rows in an agent's store, in any state.
  static std::int64_t keys_in(TestAgent& agent) {
    auto transaction = must(agent.custodian().store().begin());
    auto query = transaction.query("SELECT count(*) FROM keys");
    return must(query.step()) ? query.integer(0) : -1;
  }
  static std::string code_of(const Result<Bytes>& result) {
    return result ? "ok" : std::string(code_name(result.error().code()));
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  Pair pair{scratch.path(), token_at(token.uri()), GetParam()};
};

class Ceremony : public TestCeremony {};

}  // namespace coprotect::agent::custodian::testing
