#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace coprotect::client::test {

// `coprotect ARGS…` as a user runs it, in its own environment.
struct Program {
  std::vector<std::string> args;
  std::filesystem::path folder;     // working directory; output goes to files in it
  std::string input;                // on standard input
  std::optional<std::string> code;  // on descriptor 9
  std::map<std::string, std::string> env;
  std::optional<std::size_t> max_file_size;  // RLIMIT_FSIZE
  bool output_is_terminal = false;           // standard output is a terminal, and Ended::out what it shows

  struct Ended {
    int code = -1;  // 128 + N if signal N ended it
    std::string out;
    std::string err;
  };
  Ended run() const;
  // Starts it and does not wait. Its output is lost. Returns its process id.
  pid_t start() const;
};

std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view content);

}  // namespace coprotect::client::test
