// The program that residue_test.cc searches: holds a share as an agent does. Arguments: suite, token URI,
// hold in milliseconds, file of the epoch keys. Reads a share from standard input, seals it, computes with it
// three times, writes the record (u16 length first) and waits. Each further byte is a command: e destroys the
// share's epoch, p leaves a copy of it in ordinary memory. The answer is the same byte.

#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "hsm/sealed_keeper.h"
#include "protocol/base/arena.h"
#include "protocol/base/random.h"
#include "protocol/base/writer.h"
#include "protocol/group/group.h"

namespace coprotect::hsm {
namespace {

bool read_all(std::span<std::uint8_t> to) {
  for (std::size_t size = 0; size < to.size();) {
    const ssize_t n = read(0, to.data() + size, to.size() - size);
    if (n <= 0) return false;
    size += static_cast<std::size_t>(n);
  }
  return true;
}

bool write_all(ByteView bytes) {
  return write(1, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
}

int fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

// The steps of an agent, from the ceremony until it is idle.
Result<Bytes> seal_and_use(ShareKeeper& keeper, const ShareId& id) {
  const protocol::Group& group = protocol::group_of(id.suite);
  Secret received(group.scalar_size());
  if (!read_all(received.fill())) return Error(Code::malformed, "no share");
  const auto share = protocol::Scalar::parse(group.scalars(), received.reveal());
  if (!share) return share.error();
  const protocol::Element public_share = group.generator_power_secret(*share);
  auto record = keeper.seal(id, *share);
  if (!record) return record;
  for (std::size_t items = 1; items <= 3; ++items) {
    std::vector<protocol::Element> bases;
    for (std::size_t i = 0; i < items; ++i) bases.push_back(group.random_message(system_random()));
    const auto set = keeper.compute(id, *record, public_share, bases, Digest{}, system_random(), Interest());
    if (!set) return set.error();
  }
  return record;
}

// Reads the share from the input again, computes nothing with it and does not wipe it.
void plant(std::uint8_t* share, std::size_t size) {
  if (!read_all({share, size})) _exit(1);
}

int run(std::string_view suite, const char* uri, std::string_view hold, const char* epochs) {
  const auto id = protocol::suite_by_name(suite);
  int milliseconds = 0;
  std::from_chars(hold.data(), hold.data() + hold.size(), milliseconds);
  if (!id) return fail(id.error());
  const auto keeper = make_sealed_keeper(Token({.uri = uri, .helper = COPROTECT_TOKEN}), epochs,
                                         std::chrono::milliseconds(milliseconds));
  const ShareId share{.tenant = "acme",
                      .key_id = {},
                      .purpose = protocol::Purpose::envelope,
                      .suite = *id,
                      .index = 1,
                      .epoch = 0};
  const auto record = seal_and_use(*keeper, share);
  if (!record) return fail(record.error());
  Writer writer;
  writer.lp(*record);
  if (!write_all(writer.view())) return 1;
  Bytes planted(protocol::group_of(*id).scalar_size());
  for (std::uint8_t command = 0; read_all({&command, 1});) {
    const EpochId epoch{share.key_id, share.epoch};
    if (command == 'e' && !keeper->destroy_epochs({&epoch, 1})) return 1;
    if (command == 'p') plant(planted.data(), planted.size());
    if (!write_all({&command, 1})) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace coprotect::hsm

int main(int argc, char** argv) {
  const auto locked = coprotect::locked_memory::install();
  if (!locked || argc != 5) return 2;
  prctl(PR_SET_DUMPABLE, 1);  // so that the test needs no privilege
  return coprotect::hsm::run(argv[1], argv[2], argv[3], argv[4]);
}
