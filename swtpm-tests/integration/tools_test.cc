// Programs that know PKCS#11 and nothing of CoProtect use a key that two agents hold, both of them live.

#include <unistd.h>

#include "swtpm-tests/integration/joint_key.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

class Tools : public JointKey {
 protected:
  Finished pkcs11_tool(const std::vector<std::string>& args) const {
    return tool("pkcs11-tool").args({"--module", module()}).args(args).run();
  }
  // Everything that a user has who is not root: p11-kit reads no configuration of root's own.
  path home_of_a_user() const {
    const path home = system_folder() / "home";
    std::filesystem::create_directories(home / ".config" / "pkcs11" / "modules");
    for (const path& file : {module(), System::program("coprotect-keyd")})
      std::filesystem::copy_file(file, home / file.filename());
    std::filesystem::copy(alice().parent_path(), home / "alice", std::filesystem::copy_options::recursive);
    write_file(home / ".config" / "pkcs11" / "modules" / "coprotect.module",
               "module: " + (home / module().filename()).string() + "\ncritical: no\ntrust-policy: no\n");
    return home;
  }
  path system_folder() const { return work().parent_path(); }
  // The tool as a user, with our module registered as the installed coprotect.module does it for all.
  Finished registered(const path& home, const std::string& name, const std::vector<std::string>& args) const {
    std::vector<std::string> command = {installed_program(name)};
    if (getuid() == 0) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(home))
        EXPECT_EQ(lchown(entry.path().c_str(), 65534, 65534), 0);
      EXPECT_EQ(chown(home.c_str(), 65534, 65534), 0);
      std::filesystem::permissions(system_folder(), std::filesystem::perms(0711));
      std::filesystem::permissions(work(), std::filesystem::perms(0711));
      std::filesystem::permissions(certificate(), std::filesystem::perms(0644));
      command = {installed_program("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups",
                 command.front()};
    }
    command.insert(command.end(), args.begin(), args.end());
    Command run(command.front());
    command.erase(command.begin());
    return run.args(command)
        .env("HOME=" + home.string())
        .env("COPROTECT_CONFIG=" + (home / "alice" / "config.toml").string())
        .env("COPROTECT_KEYD=" + (home / "coprotect-keyd").string())
        .env("COPROTECT_DEBUG=1")
        .run();
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, Tools, testing::Values("p256", "ffdhe3072"),
                         [](const auto& tested) { return tested.param; });

// pkcs11-tool of OpenSC 0.23 derives with ECDH alone.
class EcTools : public Tools {};
INSTANTIATE_TEST_SUITE_P(Suites, EcTools, testing::Values("p256"),
                         [](const auto& tested) { return tested.param; });

TEST_P(EcTools, Pkcs11ToolDerives) {
  make_peer("bob");
  done(pkcs11_tool({"--derive", "--mechanism", "ECDH1-DERIVE", "--label", "derive", "--input-file",
                    work() / "bob.der", "--output-file", work() / "secret"}));
  EXPECT_EQ(read_file(work() / "secret"), secret_of_peer("bob"));
}

TEST_P(Tools, Pkcs11ToolListsTheKeyAsAToken) {
  const std::string slots = done(pkcs11_tool({"--list-slots"}));
  EXPECT_NE(slots.find("token label        : derive"), std::string::npos) << slots;
  EXPECT_EQ(slots.find("login required"), std::string::npos) << slots;
  const std::string objects = done(pkcs11_tool({"--list-objects"}));
  for (const char* const kind : {"Private Key Object", "Public Key Object", "Certificate Object"})
    EXPECT_NE(objects.find(kind), std::string::npos) << kind << "\n" << objects;
  const std::string mechanisms = done(pkcs11_tool({"--list-mechanisms"}));
  EXPECT_NE(mechanisms.find(is_p256() ? "ECDH1-DERIVE" : "DH-PKCS-DERIVE"), std::string::npos) << mechanisms;
}

TEST_P(Tools, Pkcs11ToolPassesItsOwnTests) {
  const std::string report = done(pkcs11_tool({"--test"}));
  EXPECT_NE(report.find("No errors"), std::string::npos) << report;
}

TEST_P(Tools, Pkcs11ToolReadsTheCertificate) {
  done(pkcs11_tool(
      {"--read-object", "--type", "cert", "--label", "derive", "--output-file", work() / "read.der"}));
  EXPECT_EQ(read_file(work() / "read.der"),
            done(openssl({"x509", "-in", certificate(), "-outform", "DER"}).run()));
}

TEST_P(Tools, P11toolListsAll) {
  const Finished run =
      tool("p11tool").args({"--provider", module(), "--list-all", "pkcs11:token=derive"}).run();
  const std::string listed = done(run);
  EXPECT_NE(listed.find("Type: Private key"), std::string::npos) << listed << run.err;
  // GnuTLS knows no DH public keys.
  EXPECT_EQ(listed.find("Type: Public key") != std::string::npos, is_p256()) << listed << run.err;
  EXPECT_NE(listed.find("Type: X.509 Certificate"), std::string::npos) << listed << run.err;
}

TEST_P(Tools, P11KitAndItsProxyFindTheRegisteredModule) {
  const path home = home_of_a_user();
  const Finished modules = registered(home, "p11-kit", {"list-modules"});
  const std::string listed = done(modules);
  EXPECT_NE(listed.find("coprotect"), std::string::npos) << listed << modules.err;
  EXPECT_NE(listed.find("token: derive"), std::string::npos) << listed << modules.err;
  const Finished proxied =
      registered(home, "pkcs11-tool",
                 {"--module", COPROTECT_P11_KIT_PROXY, "--token-label", "derive", "--list-objects"});
  EXPECT_NE(done(proxied).find("Private Key Object"), std::string::npos) << proxied.out << proxied.err;
  if (!is_p256()) return;
  make_peer("carol");
  std::filesystem::copy_file(work() / "carol.der", home / "carol.der");
  done(registered(home, "pkcs11-tool",
                  {"--module", COPROTECT_P11_KIT_PROXY, "--token-label", "derive", "--derive", "--mechanism",
                   "ECDH1-DERIVE", "--label", "derive", "--input-file", home / "carol.der", "--output-file",
                   home / "secret"}));
  EXPECT_EQ(read_file(home / "secret"), secret_of_peer("carol"));
}

TEST_P(Tools, PyKcs11Derives) {
  make_peer("dave");
  const std::string hex =
      done(with_key("/usr/bin/python3")
               .args({"-B", COPROTECT_SOURCE_DIR "/swtpm-tests/integration/pykcs11_derive.py", module(),
                      "derive", work() / "dave.raw"})
               .run());
  std::istringstream lines(hex);
  std::string raw;
  std::getline(lines, raw);
  EXPECT_EQ(raw, to_hex(bytes_of(secret_of_peer("dave"))));
}

TEST_P(Tools, JavaAgreesOnAKey) {
  make_peer("erin");
  write_file(work() / "coprotect.cfg",
             "name = CoProtect\nlibrary = " + module().string() + "\nslotListIndex = 0\n");
  const std::string hex =
      done(tool("java")
               .args({COPROTECT_SOURCE_DIR "/swtpm-tests/integration/Agree.java", work() / "coprotect.cfg",
                      is_p256() ? "ECDH" : "DH", work() / "erin.pub"})
               .run(std::chrono::seconds(120)));
  EXPECT_EQ(hex, to_hex(bytes_of(secret_of_peer("erin"))) + "\n");
}

}  // namespace
}  // namespace coprotect::harness
