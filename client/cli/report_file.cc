#include "client/cli/report_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

namespace coprotect::client {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

Status write_line(int fd, const Json& json) {
  // A file's name may not be UTF-8.
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_all(fd, bytes_of(line));
}

Result<Folder> folder_of(const fs::path& file, const std::shared_ptr<Tree>& outputs) {
  if (outputs == nullptr) return Folder::of(file);
  const fs::path relative = fs::absolute(file).lexically_normal().lexically_relative(
      fs::absolute(outputs->root()).lexically_normal());
  const bool within = !relative.empty() && relative.has_filename() && *relative.begin() != "..";
  return within ? outputs->folder_of(relative, false) : Folder::of(file);
}

// Lines are appended only to a report: any other file may be the only kit, or an input.
Status check_is_report(const Folder& folder, const fs::path& file) {
  const Fd fd(openat(folder.fd(), file.filename().c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ELOOP)) return Done{};  // a link is not opened for writing either
  struct stat about {};
  if (!fd || fstat(fd.get(), &about) != 0)
    return os_error("report \"" + file.string() + "\" cannot be looked at");
  if (!S_ISREG(about.st_mode) || about.st_size == 0) return Done{};
  std::array<char, 16> beginning{};
  const ssize_t size = ::read(fd.get(), beginning.data(), beginning.size());
  if (size < 0) return os_error("report \"" + file.string() + "\" cannot be read");
  const std::string_view text(beginning.data(), static_cast<std::size_t>(size));
  if (text.starts_with(R"({"path":)") || text.starts_with(R"({"summary":)")) return Done{};
  return Error(Code::conflict, "\"" + file.string() +
                                   "\" exists and is no report: nothing is added to it, name another file");
}

}  // namespace

Result<ReportFile> ReportFile::open(const std::string& file, const std::shared_ptr<Tree>& outputs) {
  const fs::path path(file);
  const bool to_descriptor = path.parent_path() == "/dev" || path.parent_path() == "/dev/fd";
  const auto folder = folder_of(path, outputs);
  if (!folder) return Error(folder.error()).in("report \"" + file + "\" cannot be written");
  if (!to_descriptor)
    if (auto report = check_is_report(*folder, path); !report) return std::move(report).error();
  const int no_link = to_descriptor ? 0 : O_NOFOLLOW;
  Fd fd(openat(folder->fd(), path.filename().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | no_link,
               0644));
  if (!fd && errno == ELOOP && !to_descriptor) return is_a_link(path).in("report");
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
