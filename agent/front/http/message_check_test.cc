#include "agent/front/http/message_check.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace coprotect::agent::front {
namespace {

using namespace std::string_literals;
using Fault = MessageCheck::Fault;

const std::string kGet = "GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n";

struct Verdict {
  std::size_t passed = 0;
  MessageCheck check;
};

// The parts of a connection, one after another; nothing is passed after a fault.
Verdict read(const std::vector<std::string>& parts) {
  Verdict verdict;
  for (const std::string& part : parts) verdict.passed += verdict.check.pass(bytes_of(part));
  return verdict;
}

void accepts(const std::string& text, unsigned heads) {
  std::vector<std::string> single;
  for (const char c : text) single.emplace_back(1, c);
  for (const auto& parts : {std::vector{text}, single}) {
    const Verdict verdict = read(parts);
    EXPECT_EQ(verdict.check.fault(), Fault::none) << text << ": " << verdict.check.reason();
    EXPECT_EQ(verdict.passed, text.size()) << text;
    EXPECT_EQ(verdict.check.heads(), heads) << text;
  }
  for (std::size_t at = 0; at < text.size(); ++at)
    EXPECT_EQ(read({text.substr(0, at), text.substr(at)}).check.heads(), heads) << text;
}

void refuses(const std::string& text, std::string_view reason, Fault fault = Fault::malformed) {
  const Verdict whole = read({text});
  EXPECT_EQ(whole.check.fault(), fault) << text;
  EXPECT_EQ(whole.check.reason(), reason) << text;
  EXPECT_EQ(whole.passed, 0u) << text;
  // Those before it get through, and none after it.
  const Verdict second = read({kGet + text + kGet, kGet});
  EXPECT_EQ(second.check.fault(), fault) << text;
  EXPECT_EQ(second.passed, kGet.size()) << text;
  // However it is cut, no complete head of it.
  for (std::size_t at = 0; at < text.size(); ++at) {
    const Verdict cut = read({text.substr(0, at), text.substr(at)});
    EXPECT_EQ(cut.check.reason(), reason) << text;
    EXPECT_LE(cut.passed, at) << text;
  }
}

std::string head(const std::string& fields) {
  return "POST /v1/x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

TEST(MessageCheck, AcceptsRequests) {
  accepts(kGet, 1);
  accepts(kGet + kGet + kGet, 3);
  accepts("GET / HTTP/1.0\r\n\r\n", 1);
  accepts(head("Content-Length: 3\r\n") + "abc" + kGet, 2);
  accepts(head("content-length:3 \t\r\n") + "a\n\r" + kGet, 2);
  accepts(head("Content-Length: 0\r\n") + kGet, 2);
  accepts(head("X: \r\nY:\r\nZ: a b\tc \xc3\xa4\r\n"), 1);
  accepts(head("Expect: 100-continue\r\nContent-Length: 1\r\n") + "x", 1);
}

TEST(MessageCheck, AcceptsChunks) {
  const std::string chunked = head("Transfer-Encoding: chunked\r\n");
  accepts(chunked + "0\r\n\r\n" + kGet, 2);
  accepts(chunked + "3\r\nabc\r\n0A\r\n0123456789\r\n00\r\n\r\n" + kGet, 2);
  accepts(chunked + "1\r\nx\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n" + kGet, 2);
}

TEST(MessageCheck, RefusesRequestLines) {
  refuses("\r\n" + kGet, "request line: malformed method");
  refuses(" GET / HTTP/1.1\r\n", "request line: malformed method");
  refuses("GET\r\n\r\n", "request line: malformed method");
  refuses("\x16\x03\x01", "request line: malformed method");
  refuses("GET  / HTTP/1.1\r\n", "request line: malformed target");
  refuses("GET /\t HTTP/1.1\r\n", "request line: malformed target");
  refuses("GET /\x80 HTTP/1.1\r\n", "request line: malformed target");
  refuses("GET /\0 HTTP/1.1\r\n"s, "request line: malformed target");
  refuses("GET /\r\n", "request line: malformed target");
  refuses("GET / HTTP/1.1 \r\n", "request line: malformed version");
  refuses("GET / HTTP/1.1\n", "request line: malformed version");
  for (const char* const version : {"HTTP/9.9", "HTTP/1.2", "HTTP/2", "HTTP/1.1x", "FTP/1.1", ""})
    refuses("GET / "s + version + "\r\n", "request line: the version is not HTTP/1.1");
  refuses("GET / HTTP/1.1\rHost: a\r\n", "CR without LF");
}

TEST(MessageCheck, RefusesFields) {
  refuses(head("X : a\r\n"), "space before a colon");
  refuses(head("X\t: a\r\n"), "space before a colon");
  refuses(head(": a\r\n"), "malformed field name");
  refuses(head("X\r\n"), "malformed field name");
  refuses(head("X\0: a\r\n"s), "malformed field name");
  refuses(head("X: a\r\n b\r\n"), "folded field line");
  refuses(head(" X: a\r\n"), "folded field line");
  refuses(head("X: a\0b\r\n"s), "control character in a field value");
  refuses(head("X: a\x01\r\n"), "control character in a field value");
  refuses(head("X: a\x7f\r\n"), "control character in a field value");
  refuses(head("X: a\nY: b\r\n"), "control character in a field value");
  refuses(head("X: \n"), "control character in a field value");
  refuses(head("X: a\rY: b\r\n"), "CR without LF");
  refuses("GET / HTTP/1.1\r\nHost: a\r\n\n", "malformed field name");
  refuses("GET / HTTP/1.1\r\nHost: a\r\n\rx", "CR without LF");
}

TEST(MessageCheck, RefusesDoubtfulLengths) {
  refuses(head("Content-Length: 3\r\nContent-Length: 3\r\n"), "two Content-Length fields");
  refuses(head("Content-Length: 3\r\nX: y\r\nCONTENT-length: 4\r\n"), "two Content-Length fields");
  for (const char* const value :
       {"", "x", "+3", "-1", "0x3", "3, 3", "3 3", "9223372036854775808", "99999999999999999999999999"})
    refuses(head("Content-Length: "s + value + "\r\n"), "Content-Length is not a number");
  refuses(head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
          "Content-Length with Transfer-Encoding");
  refuses(head("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
          "Content-Length with Transfer-Encoding");
  refuses(head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
          "two Transfer-Encoding fields");
  for (const char* const value : {"identity", "gzip, chunked", "chunked, chunked", "xchunked", "chunked;x",
                                  "", "chunked ", "chunked\t", "chunked \t",
                                  "\x0b"
                                  "chunked"})
    refuses(head("Transfer-Encoding: "s + value + "\r\n"), value[0] == '\x0b'
                                                               ? "control character in a field value"
                                                               : "a Transfer-Encoding other than chunked");
  refuses("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0");
}

TEST(MessageCheck, RefusesAllButOneHost) {
  refuses("GET / HTTP/1.1\r\n\r\n", "no Host field");
  refuses(head("Host: a\r\n"), "two Host fields");
  refuses("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "two Host fields");
}

// What is wrong inside of a body is found when its head has been passed on.
TEST(MessageCheck, RefusesChunks) {
  const auto refused = [](const std::string& body, std::string_view reason) {
    const Verdict verdict = read({head("Transfer-Encoding: chunked\r\n"), body, kGet});
    EXPECT_EQ(verdict.check.reason(), reason) << body;
    EXPECT_EQ(verdict.passed, head("Transfer-Encoding: chunked\r\n").size()) << body;
  };
  for (const char* const size : {"", "x", "-1", "0x1", " 1", "1 ", "fffffffffffffffff", "0000000000000001"})
    refused(size + "\r\n"s, "malformed chunk size");
  refused("1\n", "malformed chunk size");
  refused("1\rx", "CR without LF");
  refused("1\r\nab\r\n", "chunk longer than its size");
  refused("1\r\na\rx", "CR without LF");
  refused("1\r\na\n", "chunk longer than its size");
  refused("1;a=b\r\nx\r\n", "chunk extension");
  refused("0\r\nX: a\0\r\n\r\n"s, "control character in a field value");
  refused("0\r\nContent-Length: 1\r\n\r\n", "trailer with a field that belongs into the head");
  refused("0\r\nX: " + std::string(20'000, 'x'), "the head is larger than 16 KiB");
}

TEST(MessageCheck, RefusesLargeHeads) {
  const std::string filled = head("X: " + std::string(16'384 - head("X: \r\n").size(), 'x') + "\r\n");
  ASSERT_EQ(filled.size(), 16'384u);
  EXPECT_EQ(read({filled, filled}).check.heads(), 2u);
  const Verdict verdict = read({filled.substr(0, 100) + "x" + filled.substr(100)});
  EXPECT_EQ(verdict.check.fault(), Fault::head_too_large);
  std::string fields;
  for (int i = 0; i < 99; ++i) fields += "X:\r\n";  // and Host
  accepts(head(fields) + head(fields), 2);
  refuses(head(fields + "X:\r\n"), "the head has more than 100 fields", Fault::head_too_large);
  EXPECT_EQ(read({"GET /" + std::string(20'000, 'x')}).check.fault(), Fault::head_too_large);
}

}  // namespace
}  // namespace coprotect::agent::front
