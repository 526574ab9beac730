#include "provisioning/operator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

#include "client/files/fd.h"
#include "client/terminal/secret_line.h"

namespace coprotect::provisioning {
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

TEST(Operator, ShowsAndReadsTheCodeThroughDescriptors) {
  Pipe screen;
  const Pipe keyboard;
  const Operator person(
      {.show_code = screen.write_end.get(), .code = keyboard.read_end.get(), .ca_passphrase = std::nullopt});
  ASSERT_TRUE(person.show_code(Secret::copy_of(bytes_of("AAAAC-BBBBC"))));
  screen.close_writing();
  EXPECT_EQ(text_of(client::read_secret_line(screen.read_end.get())->reveal()), "AAAAC-BBBBC");
  keyboard.put("aaaac-bbbbc\n");
  EXPECT_EQ(text_of(person.retyped_code()->reveal()), "aaaac-bbbbc");
  EXPECT_EQ(person.code_tries(), 1) << "a script answers once";
  EXPECT_GT(Operator(Operator::Descriptors{}).code_tries(), 1);
}

TEST(Operator, SaysThatADescriptorForTheCodeIsClosed) {
  const Operator person({.show_code = 987, .code = {}, .ca_passphrase = {}});
  EXPECT_EQ(person.show_code(Secret(4)).error().code(), Code::unavailable);
}

}  // namespace
}  // namespace coprotect::provisioning
