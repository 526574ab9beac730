#include "agent/custodian/told.h"

#include <algorithm>

namespace coprotect::agent::custodian {

std::string without_paths(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size();) {
    const char before = i == 0 ? ' ' : text[i - 1];
    const bool begins = text[i] == '/' && std::string_view(" \"'=:(,").find(before) != std::string_view::npos;
    if (!begins || text.substr(i).starts_with("//")) {
      shown += text[i++];
      continue;
    }
    const std::string_view path =
        text.substr(i, std::min(text.size(), text.find_first_of(before == '"' ? "\"" : " \"',;:?&)", i)) - i);
    shown += path.substr(path.find_last_of('/') + 1);
    i += path.size();
  }
  return shown;
}

Error told(const Error& error) {
  if (error.code() == Code::wrong_code)
    return {Code::locked_out,
            "this agent's token refuses the agent's PIN, which its operator has to correct"};
  return {error.code(), without_paths(error.message())};
}

}  // namespace coprotect::agent::custodian
