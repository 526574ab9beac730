// The program that bundle_file_test.cc starts and kills: `bundle_file_subject FILE BUNDLE` saves the bundle
// in the file. Its exit code is the error's code plus one.

#include "client/bundle_file.h"
#include "client/enrolment.h"
#include "protocol/base/arena.h"

int main(int argc, char** argv) {
  using namespace coprotect;
  if (argc != 3 || !locked_memory::install()) return 127;
  const auto bundle = client::load_bundle(argv[2], std::nullopt);
  if (!bundle) return 127;
  const auto kept = client::keep_bundle(*bundle, argv[1]);
  return kept ? 0 : static_cast<int>(kept.error().code()) + 1;
}
