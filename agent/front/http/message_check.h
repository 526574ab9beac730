#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "protocol/base/bytes.h"

namespace coprotect::agent::front {

// Reads the bytes of a connection's requests before libmicrohttpd does, which is more lenient than RFC 9112
// lets a server be: two parsers that differ about where a request ends can be played against each other.
// What this does not accept (a field twice that must be once, a line that ends with LF alone, a folded line,
// a control character, space before a colon, both lengths of a body) is malformed, whatever may follow.
// Heads have at most 16 KiB and 100 fields. It keeps a few bytes of a line, never the line.
class MessageCheck {
 public:
  enum class Fault : std::uint8_t { none, malformed, head_too_large };

  // The next bytes of the connection; how many of them may be passed on. If these are not all, fault() says
  // why, and nothing that comes later may be passed on: the bytes that may are those of whole requests before
  // the faulty one.
  std::size_t pass(ByteView bytes);

  Fault fault() const { return fault_; }
  // What is wrong, in words: a constant.
  std::string_view reason() const { return reason_; }
  // How many heads were complete, and without fault.
  std::uint64_t heads() const { return heads_; }

 private:
  enum class State : std::uint8_t {
    method,
    target,
    version,
    request_lf,  // after the request line's CR
    line,        // at the beginning of a field or of the empty line
    name,
    before_value,
    value,
    field_lf,
    head_lf,
    body,
    chunk_size,
    chunk_size_lf,
    chunk,
    chunk_cr,
    chunk_lf,
  };
  enum class Field : std::uint8_t { other, host, content_length, transfer_encoding };

  // The beginning of a token, as much as is compared.
  class Token {
   public:
    void clear() { size_ = 0; }
    void add(char c);
    void trim();
    bool empty() const { return size_ == 0; }
    // Longer ones are equal to nothing.
    std::string_view text() const;

   private:
    static constexpr std::size_t kMost = 24;
    std::array<char, kMost> bytes_{};
    std::uint8_t size_ = 0;
  };

  void refuse(std::string_view reason) { fail(Fault::malformed, reason); }
  void fail(Fault fault, std::string_view reason);
  bool in_head() const { return state_ < State::body; }
  // These take one byte each, in the states that they are named after.
  void request_line(char c);
  void field(char c);
  void chunked(char c);
  void end_name();
  void end_field();
  void end_head();
  void end_chunk_size();
  void begin_message();

  State state_ = State::method;
  Field field_ = Field::other;
  Fault fault_ = Fault::none;
  bool in_trailer_ = false;
  bool old_version_ = false;  // HTTP/1.0
  bool is_chunked_ = false;
  bool has_length_ = false;
  std::uint8_t hosts_ = 0;
  std::uint16_t head_size_ = 0;
  std::uint8_t fields_ = 0;
  Token token_;
  std::uint64_t left_ = 0;  // of the body, or of the chunk
  std::uint64_t heads_ = 0;
  std::string_view reason_;
};

}  // namespace coprotect::agent::front
