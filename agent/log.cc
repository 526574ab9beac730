#include "agent/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#include "protocol/base/text.h"

namespace coprotect::agent {
namespace {

// %* in the pattern: the level as journald's number.
class JournalPriority : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string_view prefix = message.level >= spdlog::level::err    ? "<3>"
                                    : message.level >= spdlog::level::warn ? "<4>"
                                                                           : "<6>";
    out.append(prefix.data(), prefix.data() + prefix.size());
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<JournalPriority>();
  }
};

std::shared_ptr<spdlog::logger> make_logger() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JournalPriority>('*').set_pattern("%*%v");
  auto logger =
      std::make_shared<spdlog::logger>("coprotect", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::move(formatter));
  return logger;
}

void write(spdlog::level::level_enum level, std::string_view text) {
  static const std::shared_ptr<spdlog::logger> logger = make_logger();
  logger->log(level, printable(text));
}

}  // namespace

void log_error(std::string_view text) {
  write(spdlog::level::err, text);
}
void log_warning(std::string_view text) {
  write(spdlog::level::warn, text);
}
void log_info(std::string_view text) {
  write(spdlog::level::info, text);
}

}  // namespace coprotect::agent
