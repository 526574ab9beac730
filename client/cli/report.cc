#include "client/cli/report.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "protocol/base/text.h"

namespace coprotect::client {
namespace {

using Json = nlohmann::ordered_json;

void print_line(const Json& json) {
  // A file's name may not be UTF-8. Non-ASCII characters are escaped because the output may be a terminal.
  std::cout << json.dump(-1, ' ', true, Json::error_handler_t::replace) << std::endl;
}

}  // namespace

void Report::say(const std::string& kind, const std::string& text) {
  if (progress_ != nullptr) progress_->clear();
  std::cerr << "coprotect: " << kind << printable(text) << std::endl;
}

void Report::count(ExitCode code) {
  failure_ = !failure_ || *failure_ == code ? code : ExitCode::some_failed;
}

// If the report file cannot be written, the run continues, but counts as failed.
void Report::add_line(const ReportFile::Line& line) {
  if (file_ == nullptr) return;
  auto added = file_->add(line);
  if (added) return;
  file_ = nullptr;
  failed(std::move(added).error().in("report"), ExitCode::some_failed);
}

void Report::done(const std::string& file, const std::string& output, const FileSizes& sizes) {
  ++done_;
  add_line({.path = file, .result = "done", .input_size = sizes.input, .output_size = sizes.output});
  if (json_) print_line({{"file", file}, {"status", "done"}, {"output", output}});
}

void Report::present(const std::string& file, const std::string& output, const FileSizes& sizes) {
  ++present_;
  add_line({.path = file, .result = "present", .input_size = sizes.input, .output_size = sizes.output});
  if (json_) print_line({{"file", file}, {"status", "present"}, {"output", output}});
}

void Report::skipped(const std::string& file, const std::string& why) {
  ++skipped_;
  add_line({.path = file, .result = "skipped", .reason = why});
  if (json_) return print_line({{"file", file}, {"status", "skipped"}, {"message", why}});
  say("", "\"" + file + "\" skipped: " + why);
}

void Report::failed(const std::string& file, const Error& error, ExitCode code) {
  count(code);
  ++failed_;
  add_line({.path = file, .result = "failed", .reason = std::string(error.message())});
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

void Report::summarize(const std::string& verb, const std::string& present) {
  if (!json_)
    say("", std::to_string(done_) + " " + verb + ", " + std::to_string(present_) + " " + present + ", " +
                std::to_string(failed_) + " failed" +
                (skipped_ > 0 ? ", " + std::to_string(skipped_) + " skipped" : ""));
  if (file_ == nullptr) return;
  if (auto written = file_->summarize(); !written)
    failed(std::move(written).error().in("report"), ExitCode::some_failed);
}

ExitCode Report::exit_code() const {
  if (!failure_) return ExitCode::done;
  return done_ + present_ > 0 ? ExitCode::some_failed : *failure_;
}

}  // namespace coprotect::client
