#include "client/cli/report_file.h"

#include <fcntl.h>

#include <nlohmann/json.hpp>

namespace coprotect::client {
namespace {

using Json = nlohmann::ordered_json;

Status write_line(int fd, const Json& json) {
  // A file's name need not be UTF-8.
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_all(fd, bytes_of(line));
}

}  // namespace

Result<ReportFile> ReportFile::open(const std::string& file) {
  Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!fd) return os_error("report \"" + file + "\" cannot be written");
  return ReportFile(std::move(fd));
}

Status ReportFile::add(const Line& line) {
  ++counts_[std::string(line.result)];
  output_bytes_ += line.result == "done" ? line.output_size.value_or(0) : 0;
  Json json = {{"path", line.path}, {"result", line.result}};
  if (!line.reason.empty()) json["reason"] = line.reason;
  if (line.input_size) json["input_size"] = *line.input_size;
  if (line.output_size) json["output_size"] = *line.output_size;
  return write_line(fd_.get(), json);
}

Status ReportFile::summarize() {
  const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  Json counts;
  for (const char* const result : {"done", "present", "skipped", "failed"}) counts[result] = counts_[result];
  return write_line(fd_.get(),
                    {{"summary", std::move(counts)}, {"output_bytes", output_bytes_}, {"seconds", seconds}});
}

}  // namespace coprotect::client
