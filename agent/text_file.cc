#include "agent/text_file.h"

#include <fstream>
#include <iterator>

namespace coprotect::agent {

Result<std::string> read_text_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad()) return Error(Code::not_found, "cannot read \"" + file.string() + "\"");
  return content;
}

}  // namespace coprotect::agent
