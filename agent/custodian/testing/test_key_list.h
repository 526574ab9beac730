#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "protocol/message/key_list.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::agent::custodian::testing {

// What the store holds in place of erased shares.
inline const Bytes kNoShares = {0};

// An onboarded pair whose cloud agent gets acme's key lists.
class KeyListOfAnAgent : public ::testing::Test {
 protected:
  KeyListOfAnAgent() { pair.onboard(); }

  protocol::KeyId key_id() const { return pair.bundle().key_id(); }
  std::int64_t now() const { return pair.clock->now_ms; }
  Bytes list(std::uint64_t serial, std::vector<protocol::KeyList::Entry> keys) const {
    return protocol::KeyList{.tenant = "acme", .serial = serial, .time_ms = now(), .keys = std::move(keys)}
        .sign(pair.acme.ca_key());
  }
  Result<Bytes> put(const Bytes& encoded, const std::string& tenant = "acme") {
    return pair.cloud.call(ipc::Route::key_list_put, tenant, pair.admin.certificate.der(), encoded);
  }
  Result<Bytes> put(std::uint64_t serial, protocol::KeyUse use, std::int64_t effective_ms = 0) {
    return put(list(serial, {{key_id(), use, effective_ms}}));
  }
  Code code_of(const Result<Bytes>& answer) {
    EXPECT_FALSE(answer);
    return answer ? Code::internal : answer.error().code();
  }
  // The agent's answer for a file: "ok", or why not.
  std::string decrypts() {
    const auto file = encrypt(pair.bundle());
    const auto reply = partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice);
    return reply ? "ok" : std::string(code_name(reply.error().code())) + ": " + reply.error().message();
  }
  std::string gives_blob() {
    const auto reply =
        answer(pair.cloud, ask(pair.cloud, pair.bundle(), protocol::RecoveryShareBody{}), pair.admin);
    return reply ? "ok" : reply.error().message();
  }
  std::vector<std::string> key_list_entries() {
    std::vector<std::string> details;
    for (const auto& entry : read_log(pair.cloud, pair.bundle(), pair.admin))
      if (entry.kind == protocol::EntryKind::key_list) details.push_back(entry.detail);
    return details;
  }
  Bytes stored(const char* sql) {
    auto transaction = must(pair.cloud.custodian().store().begin());
    Query query = transaction.query(sql);
    must(query.step());
    return query.blob(0);
  }
  Bytes stored_shares() { return stored("SELECT shares FROM keys"); }
  Bytes stored_blob() { return stored("SELECT recovery_blob FROM keys"); }
  bool on_disk(ByteView bytes) const {
    for (const char* const suffix : {"", "-wal"}) {
      std::ifstream file(pair.cloud.store().string() + suffix, std::ios::binary);
      const std::string content((std::istreambuf_iterator<char>(file)), {});
      if (content.find(text_of(bytes)) != std::string::npos) return true;
    }
    return false;
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  Pair pair{scratch.path(), token_at(token.uri()), protocol::SuiteId::p256};
};

}  // namespace coprotect::agent::custodian::testing
