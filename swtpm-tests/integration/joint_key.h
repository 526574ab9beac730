#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>

#include "protocol/base/bytes.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {

// A company with a key of purpose derive, alice as its client, and an encryption certificate for it from a CA
// of the company's own, made with the commands of docs/integrations.md. The suite is the test's parameter.
// The tests of a program share one system for each suite; each finds its agents running, alice as she was
// made, and work() with nothing of another test's.
class JointKey : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  void TearDown() override;
  static void TearDownTestSuite();

  // Nothing that was made for alice is of use afterwards: the next test has a system of its own.
  Finished remove_alice();

  // A program with the environment by which it finds module, helper and alice's configuration.
  Command with_key(const std::filesystem::path& program) const;
  // The same for a program that PATH has.
  Command tool(const std::string& name) const { return with_key(installed_program(name)); }
  Command openssl(const std::vector<std::string>& args) const { return tool("openssl").args(args); }
  // A new key pair of the suite's group for the other side: work()/NAME.key, NAME.pub (PEM) and NAME.raw, its
  // public value as PKCS#11 takes it.
  void make_peer(const std::string& name) const;
  // The raw secret that the peer computes with the joint public key.
  std::string secret_of_peer(const std::string& name) const;
  // Encrypts to the key, in CMS, as anybody can: work()/message.cms.
  void encrypt(const std::string& content, const std::string& hash = "sha256") const;
  // What a program says that may not open the message into work()/opened. Nothing is written.
  std::string refused(const std::function<Finished()>& decrypt) const;
  // A new certificate for the key in the PEM file `public_key`.
  void certify(const std::filesystem::path& public_key, const std::filesystem::path& certificate) const;

  static std::filesystem::path module();
  bool is_p256() const { return GetParam() == "p256"; }
  System& system() const { return made_->system; }
  std::filesystem::path work() const { return made_->system.folder() / "work"; }
  const std::filesystem::path& alice() const { return made_->alice; }
  std::filesystem::path certificate() const { return work() / "derive.pem"; }
  // How many derivations this agent has recorded as done, and how many refusals of any kind, of alice.
  std::size_t recorded(const std::string& party, const std::string& kind) const;

 private:
  struct Made {
    System system;
    std::filesystem::path alice{};
    std::string configuration{};  // alice's
    bool alice_removed = false;
  };
  void make();

  static std::map<std::string, std::unique_ptr<Made>> all_;  // by suite
  Made* made_ = nullptr;
};

// Standard output, after a check that the program ended well.
std::string done(const Finished& run);

}  // namespace coprotect::harness
