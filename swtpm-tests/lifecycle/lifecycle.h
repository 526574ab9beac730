#pragma once

#include <gtest/gtest.h>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {

// A file that was encrypted once, before anything happened to the key, and that has to stay readable.
class KeptFile {
 public:
  explicit KeptFile(System& system);

  // `coprotect decrypt` by the client with this configuration gives the content.
  testing::AssertionResult opens(const std::filesystem::path& config) const {
    return opens(config, "parallel");
  }
  // The same with --via.
  testing::AssertionResult opens(const std::filesystem::path& config, const std::string& via) const;
  // So does `--recover` with the kit and code as they are now.
  testing::AssertionResult recovers() const { return recovers(system_.kit(), system_.code()); }
  testing::AssertionResult recovers(const std::filesystem::path& kit, const std::string& code) const;

  std::string sealed() const { return sealed_.string(); }

 private:
  testing::AssertionResult holds(const Finished& run) const;
  std::string out() const;

  System& system_;
  std::filesystem::path sealed_;
};

// Stops the agent: what is left of the key opens the file with the code.
void expect_opens_without(const KeptFile& file, Agent& agent, const std::filesystem::path& kit,
                          const std::string& code);

// Every quorum of two agents and the recovery share opens the file: both agents; either with the code.
void expect_every_quorum(const KeptFile& file, const std::filesystem::path& config, Agent& one, Agent& other,
                         const std::filesystem::path& kit, const std::string& code);

testing::AssertionResult done(const Finished& run);

}  // namespace coprotect::harness
