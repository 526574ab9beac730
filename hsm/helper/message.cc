#include "hsm/helper/message.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::hsm {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxErrorText = 1'024;

// The position in this list + 1 is the code on the channel.
constexpr std::array kReportedCodes = {Code::malformed,   Code::altered,  Code::wrong_code, Code::locked_out,
                                       Code::unavailable, Code::internal, Code::conflict};

std::uint8_t number_of(Code code) {
  const auto* const place = std::find(kReportedCodes.begin(), kReportedCodes.end(), code);
  if (place == kReportedCodes.end()) return number_of(Code::internal);
  return static_cast<std::uint8_t>(place - kReportedCodes.begin() + 1);
}

std::optional<TokenOperation> operation_of(std::uint8_t number) {
  switch (const auto operation = static_cast<TokenOperation>(number)) {
    case TokenOperation::seal_new_key:
    case TokenOperation::unseal:
    case TokenOperation::probe:
    case TokenOperation::make_root:
    case TokenOperation::destroy_root:
      return operation;
  }
  return std::nullopt;
}

// Whether a request's subject may have this size.
bool fits(TokenOperation operation, std::size_t subject) {
  switch (operation) {
    case TokenOperation::unseal:
      return subject > 0 && subject <= kMaxSealedKey;
    case TokenOperation::make_root:
    case TokenOperation::destroy_root:
      return subject == kRootIdSize;
    case TokenOperation::seal_new_key:
    case TokenOperation::probe:
      return subject == 0;
  }
  return false;
}

// Foreign text made safe for a log: one line of printable ASCII.
std::string printable(std::string_view text) {
  std::string line(text.substr(0, kMaxErrorText));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return line;
}

bool is_stamp_or_empty(ByteView stamp) {
  return stamp.empty() || stamp.size() == kPinFileStampSize;
}

Error not_a_reply() {
  return {Code::unavailable, "coprotect-token sent something that is not a reply"};
}

}  // namespace

Bytes TokenRequest::encode() const {
  Writer writer;
  writer.literal("CPTQ").u8(kVersion).u8(static_cast<std::uint8_t>(operation)).lp(uri).lp(name);
  writer.lp(refused).lp(subject);
  return std::move(writer).take();
}

Result<TokenRequest> TokenRequest::parse(ByteView encoded) {
  Reader reader(encoded);
  const bool magic = reader.literal("CPTQ") && reader.u8() == kVersion;
  const auto number = reader.u8();
  const auto operation = number ? operation_of(*number) : std::nullopt;
  const auto uri = reader.text();
  const auto name = reader.lp();
  const auto refused = reader.lp();
  const auto subject = reader.lp();
  if (!magic || !operation || !uri || uri->size() > kMaxTokenUri || !name || name->size() > kMaxTokenName ||
      !refused || !is_stamp_or_empty(*refused) || !subject || !fits(*operation, subject->size()) ||
      !reader.empty())
    return Error(Code::malformed, "not a token request");
  return TokenRequest{.operation = *operation,
                      .uri = *uri,
                      .name = std::string(text_of(*name)),
                      .refused = Bytes(refused->begin(), refused->end()),
                      .subject = Bytes(subject->begin(), subject->end())};
}

Secret TokenReply::encode(const Result<TokenReply>& reply, ByteView refused) {
  Writer head;
  head.literal("CPTR").u8(kVersion).u8(reply ? 0 : number_of(reply.error().code()));
  head.lp(printable(reply ? reply->notice : reply.error().message())).lp(refused);
  head.lp(reply ? reply->name : "").lp(reply ? ByteView(reply->sealed) : ByteView());
  const ByteView key = reply ? reply->key.reveal() : ByteView();
  head.u16(static_cast<std::uint16_t>(key.size()));
  Secret encoded(head.view().size() + key.size());
  std::copy(head.view().begin(), head.view().end(), encoded.fill().begin());
  std::copy(key.begin(), key.end(), encoded.fill().last(key.size()).begin());
  return encoded;
}

Result<TokenReply> TokenReply::parse(TokenOperation operation, ByteView encoded, Bytes* refused) {
  Reader reader(encoded);
  const bool magic = reader.literal("CPTR") && reader.u8() == kVersion;
  const auto code = reader.u8();
  const auto message = reader.lp();
  const auto stamp = reader.lp();
  const auto name = reader.lp();
  const auto sealed = reader.lp();
  const auto key = reader.lp();
  if (!magic || !code || *code > kReportedCodes.size() || !message || message->size() > kMaxErrorText ||
      !stamp || !is_stamp_or_empty(*stamp) || !name || !sealed || sealed->size() > kMaxSealedKey || !key ||
      !reader.empty())
    return not_a_reply();
  if (*code != 0) {
    const Code reported = kReportedCodes[*code - 1];
    if (!name->empty() || !sealed->empty() || !key->empty() ||
        (!stamp->empty() && reported != Code::wrong_code))
      return not_a_reply();
    if (refused != nullptr) refused->assign(stamp->begin(), stamp->end());
    return Error(reported, printable(text_of(*message)));
  }
  const bool gives_key = operation != TokenOperation::probe && operation != TokenOperation::destroy_root;
  const bool seals = operation == TokenOperation::seal_new_key || operation == TokenOperation::make_root;
  if (text_of(*message) != printable(text_of(*message)) || !stamp->empty() || name->size() > kMaxTokenName ||
      text_of(*name) != printable(text_of(*name)) || name->empty() == gives_key ||
      key->size() != (gives_key ? kWrappingKeySize : 0) || sealed->empty() == seals)
    return not_a_reply();
  return TokenReply{.key = Secret::copy_of(*key),
                    .sealed = Bytes(sealed->begin(), sealed->end()),
                    .name = std::string(text_of(*name)),
                    .notice = std::string(text_of(*message))};
}

}  // namespace coprotect::hsm
