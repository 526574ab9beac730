#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "protocol/base/bytes.h"

namespace coprotect::agent::front {

// Checks the bytes of a connection's requests before libmicrohttpd reads them, which is more lenient than RFC
// 9112 allows. If two parsers disagree about where a request ends, an attacker can exploit that. Rejects as
// malformed a repeated field that must be unique, a line that ends with LF alone, a folded line, a control
// character, space before a colon, and a body with both lengths, whatever follows. Heads have at most 16 KiB
// and 100 fields. It stores a few bytes of a line, never the whole line.
class MessageCheck {
 public:
  enum class Fault : std::uint8_t { none, malformed, head_too_large };

  // Takes the next bytes of the connection and returns how many may be passed on. If not all may, fault()
  // says why, and no later byte may be passed on. The bytes that may belong to whole requests before the
  // faulty one.
  std::size_t pass(ByteView bytes);

  Fault fault() const { return fault_; }
  // A description of the fault: a constant.
  std::string_view reason() const { return reason_; }
  // The number of complete heads without fault.
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

  // The beginning of a token, as far as it is compared.
  class Token {
   public:
    void clear() { size_ = 0; }
    void add(char c);
    void trim();
    bool empty() const { return size_ == 0; }
    // A longer token equals nothing.
    std::string_view text() const;

   private:
    static constexpr std::size_t kMost = 24;
    std::array<char, kMost> bytes_{};
    std::uint8_t size_ = 0;
  };

  void refuse(std::string_view reason) { fail(Fault::malformed, reason); }
  void fail(Fault fault, std::string_view reason);
  bool in_head() const { return state_ < State::body; }
  // Each takes one byte, in the states that it is named after.
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
  std::uint64_t left_ = 0;  // bytes left of the body or chunk
  std::uint64_t heads_ = 0;
  std::string_view reason_;
};

}  // namespace coprotect::agent::front
