#include "client/terminal/secret_line.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

#include "client/files/fd.h"

namespace coprotect::client {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    read_end = Fd(ends[0]);
    write_end = Fd(ends[1]);
  }
  void put(std::string_view text) const {
    EXPECT_EQ(write(write_end.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void close_writing() { write_end = Fd(); }

  Fd read_end;
  Fd write_end;
};

TEST(SecretLine, ReadsOneLineAndLeavesTheNext) {
  Pipe pipe;
  pipe.put("first\n\nthird without an end");
  pipe.close_writing();
  EXPECT_EQ(text_of(read_secret_line(pipe.read_end.get())->reveal()), "first");
  EXPECT_EQ(read_secret_line(pipe.read_end.get())->size(), 0u);
  EXPECT_EQ(text_of(read_secret_line(pipe.read_end.get())->reveal()), "third without an end");
  EXPECT_EQ(read_secret_line(pipe.read_end.get()).error().code(), Code::malformed);
}

TEST(SecretLine, RefusesALineThatIsTooLong) {
  const Pipe pipe;
  pipe.put(std::string(1023, 'a') + "\n" + std::string(1024, 'b') + "\n");
  EXPECT_EQ(read_secret_line(pipe.read_end.get())->size(), 1023u);
  EXPECT_EQ(read_secret_line(pipe.read_end.get()).error().code(), Code::malformed);
}

TEST(SecretLine, RefusesADescriptorThatIsNotOpen) {
  EXPECT_EQ(read_secret_line(987).error().code(), Code::malformed);
}

}  // namespace
}  // namespace coprotect::client
