#include "client/derivation.h"

#include <algorithm>

#include "protocol/crypto/p256.h"

namespace coprotect::client {
namespace {

using protocol::SuiteId;

// A compressed point is a tag followed by its x-coordinate. A MODP element is the number itself.
Secret raw_secret(SuiteId suite, const Secret& element) {
  const ByteView bytes = element.reveal();
  return Secret::copy_of(suite == SuiteId::p256 ? bytes.subspan(1) : bytes);
}

}  // namespace

Bytes public_value(const protocol::Bundle& bundle) {
  const Bytes encoded = bundle.public_key().h().encode();
  if (bundle.group().suite() != SuiteId::p256) return encoded;
  const auto point = protocol::p256::parse_point(encoded);
  invariant(point.has_value());
  return {point->begin(), point->end()};
}

Result<protocol::Element> parse_peer(const protocol::Group& group, ByteView value) {
  if (group.suite() == SuiteId::p256) {
    const auto point = protocol::p256::parse_point(value);
    if (!point) return Error(Code::malformed, "public value of the peer: not a point of P-256");
    return group.parse(protocol::p256::compress(*point));
  }
  if (value.size() > group.element_size())
    return Error(Code::malformed, "public value of the peer: longer than the prime");
  Bytes padded(group.element_size());
  std::copy(value.begin(), value.end(), padded.end() - static_cast<std::ptrdiff_t>(value.size()));
  auto element = group.parse(padded);
  if (!element) return std::move(element).error().in("public value of the peer");
  return element;
}

Result<Derivation> Derivation::open(const Config& config, const std::string& name, std::string purpose) {
  const auto key = find_key(config, name);
  if (!key) return key.error();
  auto bundle = load_bundle(key->bundle, key->key_id);
  if (!bundle) return std::move(bundle).error();
  auto credentials = load_credentials(config);
  if (!credentials) return std::move(credentials).error();
  return make(HeldBundle(*std::move(bundle), key->bundle, {}), *std::move(credentials),
              protocol::Action::view, std::move(purpose), config.deadline, std::nullopt, config.via);
}

Result<Derivation> Derivation::make(HeldBundle bundle, Credentials credentials, protocol::Action action,
                                    std::string purpose, std::chrono::milliseconds deadline,
                                    std::optional<LocalShare> local, Via via) {
  if (auto fits = check_purpose(*bundle.current(), protocol::Purpose::derive); !fits)
    return std::move(fits).error();
  return Derivation(Quorum(std::move(bundle), std::move(credentials), action, std::move(purpose), deadline,
                           std::move(local), std::move(via)));
}

Result<Secret> Derivation::shared_secret(ByteView peer) {
  const auto element = parse_peer(bundle().group(), peer);
  if (!element) return element.error();
  auto derived = quorum_.derive(std::span(&*element, 1));
  if (!derived.front()) return std::move(derived.front()).error();
  return raw_secret(bundle().group().suite(), *derived.front());
}

}  // namespace coprotect::client
