#include "client/decapsulation.h"

#include "protocol/file/encapsulation.h"

namespace coprotect::client {

Result<Decapsulation> Decapsulation::make(HeldBundle bundle, Credentials credentials, std::string reason,
                                          std::chrono::milliseconds deadline, Via via) {
  if (auto fits = check_purpose(*bundle.current(), protocol::Purpose::envelope); !fits)
    return std::move(fits).error();
  return Decapsulation(Quorum(std::move(bundle), std::move(credentials), protocol::Action::view,
                              std::move(reason), deadline, std::nullopt, std::move(via)));
}

Result<Secret> Decapsulation::secret(ByteView encapsulation) {
  const auto header = protocol::parse_encapsulation(encapsulation, quorum_.bundle().key_id());
  if (!header) return Error(Code::malformed, header.error().message());
  const LockedFile locked{.header = &*header, .stanza = &header->stanzas().front()};
  auto opened = quorum_.open(std::span(&locked, 1));
  if (!opened.front()) return std::move(opened.front()).error();
  const auto file_key = header->unlock(*opened.front());
  if (!file_key) return file_key.error();
  return protocol::encapsulated_secret(*file_key);
}

}  // namespace coprotect::client
