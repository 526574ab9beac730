#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/chain.h"
#include "protocol/message/key_list.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

// The table of agent/API.md that says which certificate serves which endpoint, walked with each of them at a
// live custodian.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using testing::Asking;
using testing::TestClient;

using Table = std::vector<std::vector<std::string>>;  // rows of cells, the head first

std::string trimmed(std::string cell) {
  cell.erase(0, cell.find_first_not_of(" `"));
  cell.erase(cell.find_last_not_of(" `") + 1);
  return cell;
}

Table table_of_certificates() {
  std::ifstream file(COPROTECT_API);
  std::string line;
  while (std::getline(file, line) && line != "## Which certificate serves which endpoint") continue;
  while (std::getline(file, line) && !line.starts_with('|')) continue;
  Table table;
  for (; line.starts_with('|'); std::getline(file, line)) {
    std::istringstream cells(line.substr(1));
    std::vector<std::string> row;
    for (std::string cell; std::getline(cells, cell, '|');) row.push_back(trimmed(cell));
    if (!row.front().starts_with("---")) table.push_back(std::move(row));
  }
  return table;
}

class Endpoints : public ::testing::Test {
 protected:
  Endpoints() {
    pair.onboard();
    derive_tool.run();
    file = testing::encrypt(pair.bundle());
    for (auto* const agent : {&pair.cloud, &pair.company}) {
      must(agent->call(Route::client_list_put, "acme", pair.admin.certificate.der(), pair.acme.next_list()));
    }
  }

  // Whoever calls: the certificate of the connection, and the client who signs what is to be signed.
  struct Caller {
    Bytes certificate;
    const TestClient* signer;
  };
  Caller caller(const std::string& column) {
    if (column == "user") return {pair.alice.certificate.der(), &pair.alice};
    if (column == "admin") return {pair.admin.certificate.der(), &pair.admin};
    if (column == "recovery") return {pair.rescuer.certificate.der(), &pair.rescuer};
    if (column == "not enrolled") return {stranger.certificate.der(), &stranger};
    if (column == "CA's key") return {session.certificate.der(), &session};
    if (column == "invitation") return {pair.tool.invitation(0).certificate, &pair.admin};  // spent
    if (column == "agent") return {pair.company.tls_certificate(), &pair.alice};
    throw std::runtime_error("column " + column);
  }
  // "yes", or the code of a refusal. What is wrong with the message itself is no matter of the certificate.
  static std::string verdict(const std::optional<Error>& error) {
    if (!error || error->code() == Code::malformed || error->code() == Code::conflict) return "yes";
    return std::string(code_name(error->code()));
  }
  std::string called(Route route, const std::string& subject, const Caller& who, Bytes body) {
    const auto reply = pair.cloud.call(route, subject, who.certificate, std::move(body));
    return verdict(reply ? std::nullopt : std::optional(reply.error()));
  }
  std::string asked(const protocol::Bundle& key, protocol::RequestBody body, const Caller& who) {
    const Asking asking = testing::ask(pair.cloud, key, std::move(body));
    const auto reply = testing::send(pair.cloud, asking, asking.signed_by(*who.signer), who.certificate);
    return verdict(reply ? std::nullopt : std::optional(reply.error()));
  }
  std::string chained(const Caller& who) {
    const Asking asking = pair.ask_for(pair.cloud, {&*file});
    const Bytes message = asking.signed_by(*who.signer);
    const protocol::ForwardMessage forward{.request = message, .visited = {}, .budget_ms = 1000};
    const auto list =
        pair.cloud.call(Route::decrypt, to_hex(pair.bundle().key_id()), who.certificate, forward.encode());
    if (!list) return verdict(list.error());
    const auto entries = must(protocol::ChainReply::parse(*list)).entries;
    const auto reply = testing::open(pair.cloud, asking, message, std::get<Bytes>(entries.front().answer));
    return verdict(reply ? std::nullopt : std::optional(reply.error()));
  }
  std::string ceremonies(const Caller& who) {
    std::set<std::string> verdicts{called(Route::open, "", who, {1}), called(Route::status, "", who, {1})};
    for (const Route route : {Route::parameters, Route::reveal, Route::deal, Route::prepare,
                              Route::store_blob, Route::activate, Route::abort, Route::join}) {
      std::string found = called(route, std::string(64, '0'), who, {1});
      verdicts.insert(found == "not-found" ? "yes" : found);  // it was let in, and there is no such ceremony
    }
    return verdicts.size() == 1 ? *verdicts.begin() : "various";
  }
  std::string walk(const std::string& endpoint, const Caller& who) {
    const std::string key = to_hex(pair.bundle().key_id());
    if (endpoint == "GET health") return called(Route::health, "", who, {});
    if (endpoint == "GET keys/{key_id}") return called(Route::bundle, key, who, {});
    if (endpoint == "POST partial-decrypt") {
      protocol::PartialDecryptBody body;
      body.items.push_back(testing::item_of(*file, pair.bundle()));
      return asked(pair.bundle(), std::move(body), who);
    }
    if (endpoint == "POST decrypt") return chained(who);
    if (endpoint == "POST recovery-share") return asked(pair.bundle(), protocol::RecoveryShareBody{}, who);
    if (endpoint == "POST derive") {
      const auto& group = derive_tool.bundle().group();
      return asked(derive_tool.bundle(), protocol::DeriveBody{{group.random_message(system_random())}}, who);
    }
    if (endpoint == "POST log") return asked(pair.bundle(), protocol::LogBody{1, 1}, who);
    if (endpoint == "POST handover")
      return asked(pair.bundle(), protocol::HandoverBody{protocol::HandoverStep::status, {}}, who);
    if (endpoint == "POST drill-report")
      return asked(pair.bundle(), protocol::DrillReportBody{1, {}, 1, 0}, who);
    if (endpoint == "POST peers/state")
      return called(Route::peer_state, "", who, must(pair.company.custodian().peers().ask()).front().body);
    if (endpoint == "POST ceremonies`, and below it") return ceremonies(who);
    if (endpoint == "GET clients") return called(Route::client_list_get, "acme", who, {});
    if (endpoint == "PUT clients") return called(Route::client_list_put, "acme", who, pair.acme.list(1));
    if (endpoint == "GET keys") return called(Route::key_list_get, "acme", who, {});
    if (endpoint == "PUT keys")
      return called(Route::key_list_put, "acme", who, key_list.sign(pair.acme.ca_key()));
    throw std::runtime_error("endpoint " + endpoint);
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  testing::Pair pair{scratch.path(), testing::token_at(token.uri()), protocol::SuiteId::p256};
  testing::Tool derive_tool{{&pair.cloud, &pair.company},
                            pair.acme,
                            protocol::SuiteId::p256,
                            protocol::Purpose::derive,
                            &pair.rescuer};
  TestClient stranger{pair.acme.certify("coprotect:acme:admin:stranger")};
  TestClient session{pair.acme.certify("coprotect:acme:admin:coprotect-provision",
                                       {.not_before_ms = -60'000, .not_after_ms = testing::kHourMs})};
  std::optional<testing::TestFile> file;
  protocol::KeyList key_list{.tenant = "acme", .serial = 1, .time_ms = 1, .keys = {}};
};

TEST_F(Endpoints, ServeTheCertificatesOfTheTable) {
  must(pair.cloud.call(Route::key_list_put, "acme", pair.admin.certificate.der(),
                       key_list.sign(pair.acme.ca_key())));
  const Table table = table_of_certificates();
  ASSERT_EQ(table.size(), 16u);
  const auto& head = table.front();
  ASSERT_EQ(head.size(), 8u);
  for (std::size_t row = 1; row < table.size(); ++row) {
    ASSERT_EQ(table[row].size(), head.size()) << table[row].front();
    for (std::size_t column = 1; column < head.size(); ++column)
      EXPECT_EQ(walk(table[row][0], caller(head[column])), table[row][column])
          << table[row][0] << " by " << head[column];
  }
}

// An invitation that made no key, and one that did: neither brings a list, and what is known of is recorded.
TEST_F(Endpoints, InvitationBringsNoList) {
  const Bytes list = pair.acme.list(9);
  const auto refusals = [&] {
    std::size_t count = 0;
    for (const auto& entry : testing::read_log(pair.cloud, pair.bundle(), pair.admin))
      count += entry.operation == static_cast<std::uint8_t>(protocol::Recorded::put_client_list) &&
               entry.outcome == "denied" && entry.request_hash == protocol::sha256(list);
    return count;
  };
  const auto put = [&](ByteView certificate) {
    return pair.cloud.call(Route::client_list_put, "acme", certificate, list).error().code();
  };
  EXPECT_EQ(put(pair.cloud.invite(testing::kHourMs).certificate), Code::denied);
  EXPECT_EQ(refusals(), 0u);  // of no tenant
  EXPECT_EQ(put(pair.tool.invitation(0).certificate), Code::denied);
  EXPECT_EQ(refusals(), 1u);
}

}  // namespace
}  // namespace coprotect::agent::custodian
