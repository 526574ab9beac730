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
constexpr std::size_t kMaxErrorText = 512;

// Place + 1 in this list is the code on the channel.
constexpr std::array kReportedCodes = {Code::malformed,  Code::altered,     Code::wrong_code,
                                       Code::locked_out, Code::unavailable, Code::internal};

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
      return operation;
  }
  return std::nullopt;
}

// A text of foreign code, made fit for a log: one line of printable ASCII.
std::string printable(std::string_view text) {
  std::string line(text.substr(0, kMaxErrorText));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return line;
}

Error not_a_reply() {
  return {Code::unavailable, "coprotect-token sent something that is not a reply"};
}

}  // namespace

Bytes TokenRequest::encode() const {
  Writer writer;
  writer.literal("CPTQ").u8(kVersion).u8(static_cast<std::uint8_t>(operation)).lp(uri).lp(sealed);
  return std::move(writer).take();
}

Result<TokenRequest> TokenRequest::parse(ByteView encoded) {
  Reader reader(encoded);
  const bool magic = reader.literal("CPTQ") && reader.u8() == kVersion;
  const auto number = reader.u8();
  const auto operation = number ? operation_of(*number) : std::nullopt;
  const auto uri = reader.text();
  const auto sealed = reader.lp();
  if (!magic || !operation || !uri || uri->size() > kMaxTokenUri || !sealed ||
      sealed->size() > kMaxSealedKey || sealed->empty() != (*operation != TokenOperation::unseal) ||
      !reader.empty())
    return Error(Code::malformed, "not a token request");
  return TokenRequest{.operation = *operation, .uri = *uri, .sealed = Bytes(sealed->begin(), sealed->end())};
}

Secret TokenReply::encode(const Result<TokenReply>& reply) {
  Writer head;
  head.literal("CPTR").u8(kVersion).u8(reply ? 0 : number_of(reply.error().code()));
  head.lp(reply ? "" : printable(reply.error().message())).lp(reply ? ByteView(reply->sealed) : ByteView());
  const ByteView key = reply ? reply->key.reveal() : ByteView();
  head.u16(static_cast<std::uint16_t>(key.size()));
  Secret encoded(head.view().size() + key.size());
  std::copy(head.view().begin(), head.view().end(), encoded.fill().begin());
  std::copy(key.begin(), key.end(), encoded.fill().last(key.size()).begin());
  return encoded;
}

Result<TokenReply> TokenReply::parse(TokenOperation operation, ByteView encoded) {
  Reader reader(encoded);
  const bool magic = reader.literal("CPTR") && reader.u8() == kVersion;
  const auto code = reader.u8();
  const auto message = reader.lp();
  const auto sealed = reader.lp();
  const auto key = reader.lp();
  if (!magic || !code || *code > kReportedCodes.size() || !message || message->size() > kMaxErrorText ||
      !sealed || sealed->size() > kMaxSealedKey || !key || !reader.empty())
    return not_a_reply();
  if (*code != 0) {
    if (!sealed->empty() || !key->empty()) return not_a_reply();
    return Error(kReportedCodes[*code - 1], printable(text_of(*message)));
  }
  const std::size_t key_size = operation == TokenOperation::probe ? 0 : kWrappingKeySize;
  if (!message->empty() || key->size() != key_size ||
      sealed->empty() != (operation != TokenOperation::seal_new_key))
    return not_a_reply();
  return TokenReply{.key = Secret::copy_of(*key), .sealed = Bytes(sealed->begin(), sealed->end())};
}

}  // namespace coprotect::hsm
