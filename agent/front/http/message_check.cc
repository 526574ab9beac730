#include "agent/front/http/message_check.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

namespace coprotect::agent::front {
namespace {

constexpr std::uint16_t kMaxHead = 16 * 1024;
constexpr std::uint8_t kMaxFields = 100;  // libmicrohttpd has room for them
constexpr std::size_t kMaxChunkDigits = 15;

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

// RFC 9110 §5.6.2
bool is_token_char(char c) {
  return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_visible(char c) {
  return c > ' ' && c < '\x7f';
}

bool is_space(char c) {
  return c == ' ' || c == '\t';
}

// RFC 9110 §5.5, with obs-text
bool is_value_char(char c) {
  return is_visible(c) || is_space(c) || static_cast<unsigned char>(c) >= 0x80;
}

std::optional<std::uint64_t> number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

void MessageCheck::Token::add(char c) {
  if (size_ < kMost) bytes_[size_] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (size_ <= kMost) ++size_;
}

void MessageCheck::Token::trim() {
  while (size_ > 0 && size_ <= kMost && is_space(bytes_[size_ - 1u])) --size_;
}

std::string_view MessageCheck::Token::text() const {
  return size_ > kMost ? std::string_view() : std::string_view(bytes_.data(), size_);
}

void MessageCheck::fail(Fault fault, std::string_view reason) {
  if (fault_ != Fault::none) return;
  fault_ = fault;
  reason_ = reason;
}

std::size_t MessageCheck::pass(ByteView bytes) {
  std::size_t whole = 0;  // bytes of messages that ended here
  for (std::size_t i = 0; i < bytes.size() && fault_ == Fault::none;) {
    if (state_ == State::body || state_ == State::chunk) {
      const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - i));
      left_ -= some;
      i += some;
      if (left_ != 0) continue;
      if (state_ == State::body)
        begin_message();
      else
        state_ = State::chunk_cr;
    } else {
      const char c = static_cast<char>(bytes[i++]);
      if (!in_head())
        chunked(c);
      else if (++head_size_ > kMaxHead)
        fail(Fault::head_too_large, "the head is larger than 16 KiB");
      else if (state_ < State::line)
        request_line(c);
      else
        field(c);
    }
    if (state_ == State::method && head_size_ == 0) whole = i;
  }
  return fault_ == Fault::none ? bytes.size() : whole;
}

void MessageCheck::begin_message() {
  state_ = State::method;
  in_trailer_ = old_version_ = is_chunked_ = has_length_ = false;
  hosts_ = 0;
  head_size_ = 0;
  fields_ = 0;
  token_.clear();
}

void MessageCheck::request_line(char c) {
  switch (state_) {
    case State::method:
      if (is_token_char(c)) return token_.add(c);
      if (c != ' ' || token_.empty()) return refuse("request line: malformed method");
      token_.clear();
      state_ = State::target;
      return;
    case State::target:
      if (is_visible(c)) return token_.add(c);
      if (c != ' ' || token_.empty()) return refuse("request line: malformed target");
      token_.clear();
      state_ = State::version;
      return;
    case State::version:
      if (is_visible(c)) return token_.add(c);
      if (c != '\r') return refuse("request line: malformed version");
      old_version_ = token_.text() == "http/1.0";
      if (!old_version_ && token_.text() != "http/1.1")
        return refuse("request line: the version is not HTTP/1.1");
      state_ = State::request_lf;
      return;
    default:
      if (c != '\n') return refuse("CR without LF");
      state_ = State::line;
  }
}

void MessageCheck::field(char c) {
  switch (state_) {
    case State::line:
      if (c == '\r') {
        state_ = State::head_lf;
        return;
      }
      if (is_space(c)) return refuse("folded field line");
      if (!is_token_char(c)) return refuse("malformed field name");
      if (++fields_ > kMaxFields) return fail(Fault::head_too_large, "the head has more than 100 fields");
      token_.clear();
      token_.add(c);
      state_ = State::name;
      return;
    case State::name:
      if (is_token_char(c)) return token_.add(c);
      if (c != ':') return refuse(is_space(c) ? "space before a colon" : "malformed field name");
      return end_name();
    case State::before_value:
      if (is_space(c)) return;
      state_ = State::value;
      [[fallthrough]];
    case State::value:
      if (c == '\r')
        state_ = State::field_lf;
      else if (is_value_char(c))
        token_.add(c);
      else
        refuse("control character in a field value");
      return;
    case State::field_lf:
      if (c != '\n') return refuse("CR without LF");
      return end_field();
    default:
      if (c != '\n') return refuse("CR without LF");
      return end_head();
  }
}

void MessageCheck::end_name() {
  const std::string_view name = token_.text();
  field_ = name == "host"                ? Field::host
           : name == "content-length"    ? Field::content_length
           : name == "transfer-encoding" ? Field::transfer_encoding
                                         : Field::other;
  token_.clear();
  state_ = State::before_value;
  if (in_trailer_ && field_ != Field::other) refuse("trailer with a field that belongs into the head");
}

void MessageCheck::end_field() {
  state_ = State::line;
  switch (field_) {
    case Field::host:
      if (++hosts_ > 1) refuse("two Host fields");
      return;
    case Field::content_length: {
      if (has_length_) return refuse("two Content-Length fields");
      has_length_ = true;
      token_.trim();
      const std::string_view text = token_.text();
      const auto length = number(text, 10);
      if (!length || *length > std::numeric_limits<std::int64_t>::max())
        return refuse("Content-Length is not a number");
      left_ = *length;
      return;
    }
    case Field::transfer_encoding:
      if (is_chunked_) return refuse("two Transfer-Encoding fields");
      // Not trimmed: libmicrohttpd does not recognise the coding with trailing space, and would see a
      // different end of this request.
      if (token_.text() != "chunked") return refuse("a Transfer-Encoding other than chunked");
      is_chunked_ = true;
      return;
    case Field::other:
      return;
  }
}

void MessageCheck::end_head() {
  if (in_trailer_) return begin_message();
  if (hosts_ == 0 && !old_version_) return refuse("no Host field");
  if (is_chunked_ && has_length_) return refuse("Content-Length with Transfer-Encoding");
  if (is_chunked_ && old_version_) return refuse("Transfer-Encoding in HTTP/1.0");
  ++heads_;
  token_.clear();
  if (is_chunked_)
    state_ = State::chunk_size;
  else if (has_length_ && left_ != 0)
    state_ = State::body;
  else
    begin_message();
}

void MessageCheck::chunked(char c) {
  switch (state_) {
    case State::chunk_size:
      if (c == '\r') return end_chunk_size();
      if (c == ';') return refuse("chunk extension");  // libmicrohttpd 0.9.75 does not support them
      if (!is_hex_digit(c) || token_.text().size() == kMaxChunkDigits) return refuse("malformed chunk size");
      return token_.add(c);
    case State::chunk_size_lf:
      if (c != '\n') return refuse("CR without LF");
      in_trailer_ = left_ == 0;
      state_ = in_trailer_ ? State::line : State::chunk;
      return;
    case State::chunk_cr:
      if (c != '\r') return refuse("chunk longer than its size");
      state_ = State::chunk_lf;
      return;
    default:
      if (c != '\n') return refuse("CR without LF");
      token_.clear();
      state_ = State::chunk_size;
  }
}

void MessageCheck::end_chunk_size() {
  const auto size = number(token_.text(), 16);
  if (!size) return refuse("malformed chunk size");
  left_ = *size;
  state_ = State::chunk_size_lf;
}

}  // namespace coprotect::agent::front
