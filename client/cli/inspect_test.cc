#include <nlohmann/json.hpp>

#include "client/cli/test_company.h"
#include "protocol/recovery/code.h"
#include "protocol/recovery/kit.h"
#include "swtpm-tests/harness/process.h"

namespace coprotect::client::test {
namespace {

class Inspect : public Company {};
class Recover : public Company {};

TEST_F(Inspect, ShowsWhatAFileSays) {
  write_file(folder_ / "x", "hello");
  ASSERT_EQ(encrypt({"x", "--allow-user", "alice", "--allow-group", "coprotect:acme:group:legal"}).run().code,
            0);
  const auto ended = run({"inspect", "x.cop", "--bundle", "acme.bundle"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  for (const std::string& part :
       {std::string("p256"), to_hex(run_.bundle.key_id()), std::string("tenant   acme"),
        std::string("epoch    0"), std::string("coprotect:acme:user:alice"),
        std::string("coprotect:acme:group:legal"), std::string("5 bytes")}) {
    EXPECT_NE(ended.out.find(part), std::string::npos) << part << "\n" << ended.out;
  }
}

TEST_F(Inspect, WritesJson) {
  write_file(folder_ / "x", "hello");
  ASSERT_EQ(encrypt({"x", "--allow-user", "alice"}).run().code, 0);
  Program program = this->program({"inspect", "--json", "-"});
  program.input = read_file(folder_ / "x.cop");
  const auto ended = program.run();
  const auto json = nlohmann::json::parse(ended.out, nullptr, false);
  EXPECT_EQ(json["suite"], "p256");
  EXPECT_EQ(json["keys"][0]["key_id"], to_hex(run_.bundle.key_id()));
  EXPECT_EQ(json["policy"]["allow"]["users"][0], "coprotect:acme:user:alice");
  EXPECT_EQ(json["content_size"], 5);
}

TEST_F(Inspect, RefusesWhatIsNoEncryptedFile) {
  write_file(folder_ / "x", "hello");
  ASSERT_EQ(encrypt({"x"}).run().code, 0);
  write_file(folder_ / "cut.cop", read_file(folder_ / "x.cop").substr(0, 200));
  std::string whole = read_file(folder_ / "x.cop");
  write_file(folder_ / "end.cop", whole.substr(0, whole.size() - 6));
  for (const char* const file : {"x", "cut.cop", "end.cop"})
    EXPECT_EQ(run({"inspect", file}).code, 5) << file;
  EXPECT_EQ(run({"inspect", "none"}).code, 1);
  EXPECT_EQ(run({"inspect", "x.cop", "none"}).code, 1);
}

// A kit under a code that the test knows.
struct Kit {
  explicit Kit(const protocol::test::TestCeremony& ceremony, const protocol::test::TestCeremony::Run& run)
      : code(protocol::generate_code(system_random())) {
    const auto hpke = protocol::HpkePrivateKey::generate(system_random());
    const auto [blob, recovery_key] =
        must(protocol::RecoveryBlob::seal(must(protocol::read_code(code.reveal())), run.bundle.key_id(),
                                          run.bundle.group().suite(), hpke, system_random()));
    const auto key = protocol::SigningKey::generate(system_random());
    const auto certificate = protocol::test::make_certificate(
        "recovery", protocol::CertificateUse::client, key, &ceremony.parameters->client_ca,
        ceremony.client_ca_key, {"coprotect:acme:recovery:kit"});
    encoded = protocol::RecoveryKit::seal(run.bundle.encoded(), blob, certificate.der(), key, nullptr,
                                          recovery_key, system_random())
                  .encode();
  }
  Secret code;
  Bytes encoded;
};

TEST_F(Recover, NamesAMistypedGroupAndRefusesAnotherCode) {
  const Kit kit(ceremony_, run_);
  write_file(folder_ / "acme.kit", text_of(kit.encoded));
  write_file(folder_ / "x", "hello");
  ASSERT_EQ(encrypt({"x"}).run().code, 0);
  std::filesystem::remove(folder_ / "x");
  Program recover = program({"decrypt", "--recover", "--kit", "acme.kit", "--code-fd", "9", "x.cop"});
  std::string typed(text_of(kit.code.reveal()));
  typed[6] = typed[6] == '7' ? '8' : '7';
  recover.code = typed + "\n";
  const auto mistyped = recover.run();
  EXPECT_EQ(mistyped.code, 7);
  EXPECT_NE(mistyped.err.find("group 2"), std::string::npos) << mistyped.err;

  const Secret other = protocol::generate_code(system_random());
  recover.code = std::string(text_of(other.reveal())) + "\n";
  EXPECT_EQ(recover.run().code, 7);
  recover.code = "";
  EXPECT_EQ(recover.run().code, 7);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "x"));

  Bytes altered = kit.encoded;
  altered[altered.size() / 2] ^= 1;
  write_file(folder_ / "acme.kit", text_of(altered));
  recover.code = std::string(text_of(kit.code.reveal())) + "\n";
  EXPECT_EQ(recover.run().code, 5);
}

// Otherwise half of the output would look complete.
TEST_F(Inspect, FailsIfItCannotSayIt) {
  write_file(folder_ / "x", "x");
  ASSERT_EQ(encrypt({"x"}).run().code, 0);
  const auto ended = harness::Command("/bin/sh")
                         .args({"-c", "exec \"$0\" \"$@\" > /dev/full", COPROTECT_PROGRAM, "inspect",
                                (folder_ / "x.cop").string()})
                         .run();
  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_NE(ended.err.find("standard output cannot be written"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace coprotect::client::test
