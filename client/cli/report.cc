#include "client/cli/report.h"

#include <iostream>
#include <nlohmann/json.hpp>

namespace coprotect::client {
namespace {

using Json = nlohmann::ordered_json;

void print_line(const Json& json) {
  // A file's name need not be UTF-8.
  std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

void Report::say(const std::string& kind, const std::string& text) {
  if (progress_ != nullptr) progress_->clear();
  std::cerr << "coprotect: " << kind << printable(text) << std::endl;
}

void Report::count(ExitCode code) {
  failure_ = !failure_ || *failure_ == code ? code : ExitCode::some_failed;
}

void Report::done(const std::string& file, const std::string& output) {
  any_done_ = true;
  if (json_) print_line({{"file", file}, {"status", "done"}, {"output", output}});
}

void Report::skipped(const std::string& file, const std::string& why) {
  if (json_) return print_line({{"file", file}, {"status", "skipped"}, {"message", why}});
  say("", "\"" + file + "\" skipped: " + why);
}

void Report::failed(const std::string& file, const Error& error, ExitCode code) {
  count(code);
  if (!json_) return say("error: ", "\"" + file + "\": " + error.message());
  print_line({{"file", file},
              {"status", "failed"},
              {"code", code_name(error.code())},
              {"message", error.message()}});
}

void Report::failed(const Error& error, ExitCode code) {
  count(code);
  if (!json_) return say("error: ", error.message());
  print_line({{"status", "failed"}, {"code", code_name(error.code())}, {"message", error.message()}});
}

void Report::hint(const std::string& text) {
  if (!json_ && hints_.insert(text).second) say("hint: ", text);
}

ExitCode Report::exit_code() const {
  if (!failure_) return ExitCode::done;
  return any_done_ ? ExitCode::some_failed : *failure_;
}

}  // namespace coprotect::client
