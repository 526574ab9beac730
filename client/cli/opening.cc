#include "client/cli/opening.h"

#include "client/files/small_file.h"
#include "client/recovery.h"
#include "client/terminal/secret_line.h"

namespace coprotect::client {
namespace {

constexpr std::size_t kMaxKitSize = kMaxBundleSize + (std::size_t{1} << 20);

Result<Quorum> make_quorum(const HeldBundle& bundle, Credentials credentials, protocol::Action action,
                           const Options& options, const Config& config, std::optional<LocalShare> share) {
  auto via = find_via(options, config.via, share ? *share->bundle : *bundle.current());
  if (!via) return std::move(via).error();
  return Quorum(bundle, std::move(credentials), action, options.reason, config.deadline, std::move(share),
                *std::move(via));
}

Result<OpenedBlob> ask_and_open(const protocol::RecoveryBlob& blob, const protocol::Bundle& bundle,
                                const Options& options) {
  const auto typed = ask_secret("recovery code: ", options.code_fd);
  if (!typed) return Error(Code::wrong_code, typed.error().message()).in("recovery code");
  return open_blob(blob, bundle, *typed);
}

// The bundles that a recovery may use: the held one, after asking the agents for newer ones, then those that
// only some agents show. If no agent can be asked, the next request reports why.
std::vector<protocol::Bundle> bundles_to_try(const HeldBundle& held, const Credentials& credentials,
                                             const Config& config) {
  const auto history = held.ask(credentials, config.deadline);
  std::vector<protocol::Bundle> bundles{*held.current()};
  if (history) bundles.insert(bundles.end(), history->candidates.begin(), history->candidates.end());
  return bundles;
}

// The result for the first bundle for which an agent has one. Otherwise the most telling error.
template <typename Give>
auto first_of(const std::vector<protocol::Bundle>& bundles, Give give) -> decltype(give(bundles.front())) {
  auto given = give(bundles.front());
  for (std::size_t i = 1; i < bundles.size() && !given; ++i) {
    auto next = give(bundles[i]);
    const Code code = given.error().code();
    if (next || code == Code::conflict || code == Code::not_found || code == Code::unavailable)
      given = std::move(next);
  }
  return given;
}

Result<LocalShare> share_of(const RecoveryShare& share, const std::vector<protocol::Bundle>& bundles,
                            const Credentials& credentials, const Config& config) {
  return first_of(bundles,
                  [&](const auto& bundle) { return share.in(bundle, credentials, config.deadline); });
}

// Needs only kit and code. Nothing else of the company has to be left.
Result<Quorum> recover_with_kit(const Options& options) {
  const auto content = read_small_file(*options.kit, kMaxKitSize);
  if (!content) return Error(content.error()).in("recovery kit");
  const auto kit = protocol::RecoveryKit::parse(*content);
  if (!kit) return Error(Code::altered, "recovery kit \"" + *options.kit + "\": " + kit.error().message());
  auto bundle = protocol::Bundle::parse(kit->bundle());
  if (!bundle)
    return Error(Code::altered, "recovery kit \"" + *options.kit + "\": " + bundle.error().message());
  auto opened = ask_and_open(kit->blob(), *bundle, options);
  if (!opened) return std::move(opened).error();
  auto credentials = open_kit_key(*kit, opened->recovery_key);
  if (!credentials) return std::move(credentials).error();
  const Config defaults{};
  const HeldBundle held(*std::move(bundle));  // the kit does not change
  const auto bundles = bundles_to_try(held, *credentials, defaults);
  auto share = share_of(opened->share, bundles, *credentials, defaults);
  if (!share) return std::move(share).error().in("recovery kit \"" + *options.kit + "\"");
  return make_quorum(held, *std::move(credentials), protocol::Action::recover, options, defaults,
                     *std::move(share));
}

struct Enrolled {
  Config config;
  HeldBundle bundle;
  Credentials credentials;
};

Result<Enrolled> enrolled(const Options& options, HeldBundle::Warn warn) {
  const auto config = find_config(options);
  if (!config) return config.error();
  if (!*config) {
    return Error(Code::not_found, "no configuration \"" + default_config_file().string() + "\"");
  }
  auto bundle = find_bundle(options, *config);
  if (!bundle) return std::move(bundle).error();
  auto file = options.bundle ? std::filesystem::path(*options.bundle) : (*config)->bundle;
  auto credentials = own_credentials(**config);
  if (!credentials) return std::move(credentials).error();
  return Enrolled{.config = **config,
                  .bundle = HeldBundle(*std::move(bundle), std::move(file), std::move(warn)),
                  .credentials = *std::move(credentials)};
}

// For an administrator, with a share that an agent keeps. The files' policies apply unless it is the recovery
// administrator.
Result<Quorum> recover_with_agent(const Options& options, HeldBundle::Warn warn) {
  auto client = enrolled(options, std::move(warn));
  if (!client) return std::move(client).error();
  const auto identity = protocol::client_identity(client->credentials.certificate);
  if (!identity) return identity.error();
  const HeldBundle& held = client->bundle;
  const auto bundles = bundles_to_try(held, client->credentials, client->config);
  const auto blob = first_of(bundles, [&](const auto& bundle) {
    return fetch_blob(bundle, client->credentials, client->config.deadline);
  });
  if (!blob) return Error(blob.error()).in("recovery share");
  auto opened = ask_and_open(*blob, *held.current(), options);
  if (!opened) return std::move(opened).error();
  auto share = share_of(opened->share, bundles, client->credentials, client->config);
  if (!share) return std::move(share).error().in("recovery share");
  const auto action =
      identity->role == protocol::Role::recovery ? protocol::Action::recover : protocol::Action::view;
  return make_quorum(client->bundle, std::move(client->credentials), action, options, client->config,
                     *std::move(share));
}

}  // namespace

Result<Via> find_via(const Options& options, const Via& configured, const protocol::Bundle& bundle) {
  auto via = options.via ? Via::parse(*options.via) : Result<Via>(configured);
  if (!via) return std::move(via).error().in("--via");
  if (!via->first) return via;
  const auto position = bundle.parameters().position_of(*via->first);
  if (!position || !bundle.parameters()->parties[*position].is_agent())
    return Error(Code::malformed, "via: the key has no agent \"" + *via->first + "\"");
  return via;
}

Result<Quorum> everyday_quorum(const HeldBundle& bundle, std::shared_ptr<const Credentials> credentials,
                               const Options& options, const Config& config) {
  auto via = find_via(options, config.via, *bundle.current());
  if (!via) return std::move(via).error();
  return Quorum(bundle, std::move(credentials), protocol::Action::view, options.reason, config.deadline,
                std::nullopt, *std::move(via));
}

Result<Quorum> prepare_opening(const Options& options, HeldBundle::Warn warn) {
  if (options.recover)
    return options.kit ? recover_with_kit(options) : recover_with_agent(options, std::move(warn));
  auto client = enrolled(options, std::move(warn));
  if (!client) return std::move(client).error();
  return make_quorum(client->bundle, std::move(client->credentials), protocol::Action::view, options,
                     client->config, std::nullopt);
}

}  // namespace coprotect::client
