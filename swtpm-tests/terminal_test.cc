#include "swtpm-tests/harness/terminal.h"

#include <gtest/gtest.h>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

// A file, and what a person needs to open it when the company's agent is gone.
class AtATerminal : public testing::Test {
 protected:
  AtATerminal() : system_({}) {
    write_file(system_.folder() / "ledger", "balances");
    file_ = system_.folder() / "ledger.cop";
    const Finished encrypted =
        Command(System::program("coprotect"))
            .args({"encrypt", "--bundle", system_.bundle(), system_.folder() / "ledger", "-o", file_})
            .run();
    EXPECT_EQ(encrypted.exit_code, 0) << encrypted.err;
    system_.company().stop();
  }

  std::vector<std::string> recover() {
    return {
        System::program("coprotect"), "decrypt", "--recover", "--kit", system_.kit(), file_, "-o", output()};
  }
  path output() { return system_.folder() / "recovered"; }

  System system_;
  path file_;
};

TEST_F(AtATerminal, TheRecoveryCodeIsTypedAndNotShown) {
  OnTerminal person(recover());
  ASSERT_TRUE(person.shows("recovery code: ")) << person.screen();
  EXPECT_FALSE(person.echoes());
  person.type(system_.code() + "\n");
  EXPECT_EQ(person.end(), 0) << person.screen();
  EXPECT_EQ(read_file(output()), "balances");
  EXPECT_EQ(person.screen().find(system_.code().substr(0, 5)), std::string::npos) << "the code was shown";
  EXPECT_TRUE(person.echoes());
}

TEST_F(AtATerminal, ControlCLeavesTheTerminalAsItWas) {
  OnTerminal person(recover());
  ASSERT_TRUE(person.shows("recovery code: ")) << person.screen();
  person.type(system_.code().substr(0, 9) + "\x03");
  EXPECT_EQ(person.end(), 7) << person.screen();
  EXPECT_TRUE(person.echoes());
  EXPECT_FALSE(exists(output()));
}

}  // namespace
}  // namespace coprotect::harness
