#include "hsm/log_cut_request.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::hsm {
namespace {

constexpr std::string_view kRequest = "CPLQ\x01";

}  // namespace

Bytes LogCutRequest::encode() const {
  Writer w;
  w.literal(kRequest).u64(after).u64(seq).bytes(chain).u64(count).bytes(archive).u8(unheard ? 1 : 0);
  return std::move(w).take();
}

Result<LogCutRequest> LogCutRequest::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kRequest);
  const auto after = r.u64();
  const auto seq = r.u64();
  const auto chain = r.array<32>();
  const auto count = r.u64();
  const auto archive = r.array<32>();
  const auto unheard = r.u8();
  if (!known || !after || !seq || !chain || !count || !archive || !unheard || *unheard > 1 || !r.empty() ||
      *seq <= *after || *count == 0 || *count > *seq - *after)
    return Error(Code::malformed, "not a request to cut the log of version 1");
  return LogCutRequest{.after = *after,
                       .seq = *seq,
                       .chain = *chain,
                       .count = *count,
                       .archive = *archive,
                       .unheard = *unheard == 1};
}

Status LogCutRequests::put(const LogCutRequest& request) const {
  return files_.write(file_, request.encode());
}

Result<std::optional<LogCutRequest>> LogCutRequests::newest() const {
  const auto content = files_.read(file_);
  if (!content && content.error().code() == Code::not_found) return std::optional<LogCutRequest>();
  if (!content) return content.error();
  const auto request = LogCutRequest::parse(*content);
  if (!request) return Error(Code::altered, "\"" + file_.string() + "\": " + request.error().message());
  return std::optional(*request);
}

}  // namespace coprotect::hsm
