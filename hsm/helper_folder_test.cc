#include "hsm/helper_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "swtpm-tests/harness/scratch.h"

namespace coprotect::hsm {
namespace {

TEST(HelperFolder, IsTheProgramsOwnIfTheHelpersAreThere) {
  const harness::Scratch scratch;
  std::ofstream(scratch / "coprotect-token") << "a program";
  EXPECT_EQ(helper_folder_of(scratch.path()), scratch.path());
}

TEST(HelperFolder, IsOtherwiseTheLibexecFolderOfTheSameInstallation) {
  EXPECT_EQ(helper_folder_of("/nonexistent/bin"), "/nonexistent/libexec/coprotect");
}

}  // namespace
}  // namespace coprotect::hsm
