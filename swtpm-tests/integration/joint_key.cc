#include "swtpm-tests/integration/joint_key.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace coprotect::harness {

using std::filesystem::path;

std::string done(const Finished& run) {
  EXPECT_EQ(run.exit_code, 0) << (run.timed_out ? "(timed out)\n" : "") << run.out << run.err;
  return run.out;
}

path JointKey::module() {
  return COPROTECT_PKCS11_MODULE;
}

std::map<std::string, std::unique_ptr<JointKey::Made>> JointKey::all_;

void JointKey::make() {
  auto& made = all_[GetParam()];
  made.reset(new Made{.system = System({.suite = GetParam(), .derive_key = true})});
  made_ = made.get();
  if (HasFailure()) GTEST_FAIL() << "no system";
  made_->alice = system().add_client("alice");
  std::filesystem::create_directory(work());
  done(openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                work() / "ca.key", "-out", work() / "ca.pem", "-subj", "/CN=Acme internal CA", "-days",
                "3650"})
           .run());
  write_file(work() / "derive.pub", done(system().coprotect(alice(), {"public-key", "derive"})));
  certify(work() / "derive.pub", certificate());
  std::ofstream(alice(), std::ios::app)
      << "purpose = \"cms\"\nencryption_certificate = \"" << certificate().string()
      << "\"\n";  // of [keys.derive], which stands last
  made_->configuration = read_file(alice());
  std::filesystem::rename(work(), system().folder() / "made");
}

void JointKey::SetUp() {
  made_ = all_[GetParam()].get();
  if (made_ == nullptr) make();
  if (HasFailure()) return;
  std::filesystem::remove_all(work());
  std::filesystem::copy(system().folder() / "made", work(), std::filesystem::copy_options::recursive);
  write_file(alice(), made_->configuration);
}

void JointKey::TearDown() {
  if (made_ == nullptr || HasFailure() || made_->alice_removed) {
    all_.erase(GetParam());
    return;
  }
  for (Agent* const agent : {&system().cloud(), &system().company()})
    if (!agent->running()) agent->start();
}

void JointKey::TearDownTestSuite() {
  all_.clear();
}

Finished JointKey::remove_alice() {
  made_->alice_removed = true;
  return system().remove_client("alice");
}

void JointKey::certify(const path& public_key, const path& certificate) const {
  write_file(
      work() / "extensions",
      "keyUsage = critical, keyAgreement\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n");
  done(openssl({"x509", "-new", "-subj", "/O=Acme/CN=archive", "-force_pubkey", public_key, "-CA",
                work() / "ca.pem", "-CAkey", work() / "ca.key", "-extfile", work() / "extensions", "-days",
                "365", "-out", certificate})
           .run());
}

Command JointKey::with_key(const path& program) const {
  Command command(program);
  command.env("COPROTECT_CONFIG=" + alice().string());
  command.env("COPROTECT_KEYD=" + System::program("coprotect-keyd").string());
  command.env("COPROTECT_DEBUG=1");
  command.env("PKCS11_MODULE_PATH=" + module().string());  // for libengine-pkcs11-openssl
  return command;
}

void JointKey::make_peer(const std::string& name) const {
  const path key = work() / (name + ".key");
  const path pub = work() / (name + ".pub");
  const std::vector<std::string> group =
      is_p256() ? std::vector<std::string>{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}
                : std::vector<std::string>{"-algorithm", "DH", "-pkeyopt", "group:" + GetParam()};
  Command make = openssl({"genpkey", "-out", key});
  done(make.args(group).run());
  done(openssl({"pkey", "-in", key, "-pubout", "-out", pub}).run());
  const std::string der = done(openssl({"pkey", "-in", key, "-pubout", "-outform", "DER"}).run());
  write_file(work() / (name + ".der"), der);
  // In a SubjectPublicKeyInfo the public value stands last, with a 0 before it if it is a number that begins
  // with a 1 bit. (PKCS#11 takes either.)
  write_file(work() / (name + ".raw"), der.substr(der.size() - (is_p256() ? 65 : 384)));
}

std::string JointKey::secret_of_peer(const std::string& name) const {
  return done(
      openssl({"pkeyutl", "-derive", "-inkey", work() / (name + ".key"), "-peerkey", work() / "derive.pub"})
          .run());
}

void JointKey::encrypt(const std::string& content, const std::string& hash) const {
  write_file(work() / "message", content);
  done(openssl({"cms", "-encrypt", "-binary", "-aes256", "-in", work() / "message", "-outform", "DER", "-out",
                work() / "message.cms", "-recip", certificate(), "-keyopt", "ecdh_kdf_md:" + hash})
           .run());
}

std::string JointKey::refused(const std::function<Finished()>& decrypt) const {
  std::filesystem::remove(work() / "opened");
  const Finished run = decrypt();
  EXPECT_NE(run.exit_code, 0) << run.out;
  EXPECT_EQ(read_file(work() / "opened"), "");
  return run.err;
}

std::size_t JointKey::recorded(const std::string& party, const std::string& kind) const {
  const Finished log =
      system().provision({"log", "--dir", system().out().string(), "--party", party, "--json"});
  std::istringstream lines(done(log));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (entry.value("kind", "") == kind && entry.value("client", "") == "coprotect:acme:user:alice") ++count;
  }
  return count;
}

}  // namespace coprotect::harness
