#include "swtpm-tests/secrets_of.h"

#include <stdexcept>

#include "protocol/base/test_must.h"
#include "protocol/file/header.h"
#include "protocol/threshold/partial.h"
#include "swtpm-tests/share_of.h"

namespace coprotect::harness {

std::vector<std::pair<std::string, Secret>> secrets_of(System& system, const std::filesystem::path& file) {
  system.token().use();
  const auto bundle = bundle_of(system);
  const auto cloud = share_of(system.cloud());
  const auto company = share_of(system.company());
  const auto& group = bundle.group();
  const auto recovery = company.share + company.share - cloud.share;
  const auto key = cloud.share + cloud.share - company.share;
  if (cloud.index != 1 || company.index != 2 ||
      !(group.generator_power_secret(recovery) == bundle.public_share(3)) ||
      !(group.generator_power_secret(key) == bundle.public_key().h()))
    throw std::runtime_error("not the shares of the key");
  const auto header = must(protocol::Header::parse(bytes_of(read_file(file))));
  const auto& ciphertext = must(header.stanza_for(bundle.key_id()))->ciphertext;
  const std::vector<protocol::IndexedPartial> partials{
      {.index = 1, .value = group.power_secret(ciphertext.c1, cloud.share)},
      {.index = 2, .value = group.power_secret(ciphertext.c1, company.share)}};
  const auto m = must(protocol::combine(ciphertext.c2, partials));

  std::vector<std::pair<std::string, Secret>> secrets;
  const auto add = [&secrets](std::string name, ByteView value) {
    secrets.emplace_back(std::move(name), Secret::copy_of(value));
  };
  add("share of the cloud", cloud.share.bytes().reveal());
  add("share of the company", company.share.bytes().reveal());
  add("recovery share", recovery.bytes().reveal());
  add("key", key.bytes().reveal());
  add("partial of the cloud", partials[0].value.encode());
  add("partial of the company", partials[1].value.encode());
  add("m", m.encode());
  add("file key", must(header.unlock(m)).reveal());
  add("recovery code", bytes_of(system.code()));
  return secrets;
}

}  // namespace coprotect::harness
