#pragma once

#include <gtest/gtest.h>

#include "agent/custodian/testing/pair.h"
#include "agent/custodian/testing/run_sql.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::agent::custodian::testing {

// An agent that has served, and whose store is then altered.
class Tampering : public ::testing::Test {
 protected:
  Tampering() {
    pair.onboard();
    const auto file = encrypt(pair.bundle());
    must(partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice));
    pair.cloud.close();
  }

  // Changes the store directly.
  void sql(const std::string& statements) { run_sql(pair.cloud.store(), statements); }
  // Opens the store, expects a refusal, and restores the store.
  std::string refusal(const std::string& statements) {
    const auto saved = pair.cloud.store().string() + ".saved";
    std::filesystem::copy_file(pair.cloud.store(), saved);
    sql(statements);
    const auto opened = pair.cloud.try_open();
    pair.cloud.close();
    std::filesystem::rename(saved, pair.cloud.store());
    if (opened) return "opened";
    EXPECT_EQ(opened.error().code(), Code::altered) << statements;
    return opened.error().message();
  }
  // A column with one byte changed at a position, counted from 1, or from the end if negative.
  static std::string altered(const std::string& column, int at = -1) {
    const std::string place = at > 0 ? std::to_string(at) : "length(" + column + ")+1" + std::to_string(at);
    const std::string byte = "substr(" + column + ", " + place + ", 1)";
    return column + "=CAST(substr(" + column + ", 1, " + place + "-1) || CASE " + byte +
           " WHEN x'00' THEN x'01' ELSE x'00' END || substr(" + column + ", " + place + "+1) AS BLOB)";
  }
  static bool says(const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
    return true;
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  Pair pair{scratch.path(), token_at(token.uri()), protocol::SuiteId::p256};
};

}  // namespace coprotect::agent::custodian::testing
