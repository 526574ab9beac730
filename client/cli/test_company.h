#pragma once

#include <gtest/gtest.h>

#include <string>

#include "client/cli/test_program.h"
#include "client/files/encrypted_file.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/threshold/partial.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client::test {

// A company's key with shares held by the test, and a scratch folder with its bundle. There are no agents.
class Company : public testing::Test {
 protected:
  explicit Company(protocol::SuiteId suite = protocol::SuiteId::p256)
      : ceremony_(suite), run_(ceremony_.run()) {
    write_file(folder_ / "acme.bundle", text_of(run_.bundle.encoded()));
  }

  Program program(std::vector<std::string> args) const {
    return {
        .args = std::move(args), .folder = folder_, .input = {}, .code = {}, .env = {}, .max_file_size = {}};
  }
  Program::Ended run(std::vector<std::string> args) const { return program(std::move(args)).run(); }
  // `coprotect encrypt` with the bundle.
  Program encrypt(std::vector<std::string> args) const {
    args.insert(args.begin(), {"encrypt", "--bundle", "acme.bundle"});
    return program(std::move(args));
  }

  // The content of an encrypted file, opened with two of the shares.
  std::string open_with_shares(const std::filesystem::path& file) const {
    auto input = must(Input::open(folder_ / file));
    const auto header = must(read_header(input));
    const auto& stanza = *must(header.stanza_for(run_.bundle.key_id()));
    std::vector<protocol::IndexedPartial> partials;
    for (const std::uint8_t index : {std::uint8_t{1}, std::uint8_t{3}}) {
      partials.push_back(
          {index, run_.bundle.group().power_secret(stanza.ciphertext.c1, run_.shares.at(index))});
    }
    const auto m = must(protocol::combine(stanza.ciphertext.c2, partials));
    const auto file_key = must(header.unlock(m));
    auto target = must(Target::open(folder_ / "opened", true, 0600));
    Progress progress(0, false);
    const auto written = write_decrypted(input, header, file_key, target, progress);
    EXPECT_TRUE(written) << written.error().message();
    return read_file(folder_ / "opened");
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  const protocol::test::TestCeremony ceremony_;
  const protocol::test::TestCeremony::Run run_;
  const harness::Scratch scratch_;
  const std::filesystem::path folder_ = scratch_.path();
};

inline std::string some_bytes(std::size_t size) {
  std::string bytes(size, 0);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

}  // namespace coprotect::client::test
