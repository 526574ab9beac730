#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace coprotect::client::test {

// `coprotect ARGS…` as somebody runs it, in an environment of its own.
struct Program {
  std::vector<std::string> args;
  std::filesystem::path folder;     // works there; output goes to files in it
  std::string input;                // on standard input
  std::optional<std::string> code;  // on descriptor 9
  std::map<std::string, std::string> env;
  std::optional<std::size_t> max_file_size;  // RLIMIT_FSIZE
  bool output_is_terminal = false;           // standard output is a terminal; what it shows is Ended::out

  struct Ended {
    int code = -1;  // 128 + N if signal N ended it
    std::string out;
    std::string err;
  };
  Ended run() const;
  // Starts it and leaves it; its output is lost. Returns its process id.
  pid_t start() const;
};

std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view content);

}  // namespace coprotect::client::test
