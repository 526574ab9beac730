#include "client/cli/inspect.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "client/files/encrypted_file.h"
#include "protocol/base/text.h"
#include "protocol/file/policy.h"

namespace coprotect::client {
namespace {

using Json = nlohmann::ordered_json;

struct Inspected {
  protocol::Header header;
  std::uint64_t content_size;
};

Result<Inspected> read(const std::string& file) {
  auto input = Input::open(file == "-" ? std::nullopt : std::optional<std::filesystem::path>(file));
  if (!input) return std::move(input).error();
  auto header = read_header(*input);
  if (!header) return std::move(header).error();
  const auto policy = protocol::Policy::parse(header->core().policy);
  if (!policy) return policy.error();
  const auto size = content_size(*input);
  if (!size) return size.error();
  return Inspected{.header = *std::move(header), .content_size = *size};
}

// Whether the bundle tells more about a key: its tenant, and the bundle's epoch.
bool tells_of(const std::optional<protocol::Bundle>& bundle, const protocol::KeyId& key_id) {
  return bundle && bundle->key_id() == key_id;
}

Json to_json(const std::string& file, const Inspected& inspected,
             const std::optional<protocol::Bundle>& bundle) {
  const protocol::Header& header = inspected.header;
  Json keys = Json::array();
  for (const protocol::Stanza& stanza : header.stanzas()) {
    Json key = {{"key_id", to_hex(stanza.key_id)}};
    if (tells_of(bundle, stanza.key_id)) {
      key["tenant"] = bundle->tenant();
      key["epoch"] = bundle->epoch();
    }
    keys.push_back(std::move(key));
  }
  Json json = {{"file", file},
               {"suite", protocol::suite_name(header.core().suite)},
               {"keys", std::move(keys)},
               {"unknown_stanzas", header.unknown_stanzas().size()},
               {"policy", nullptr},
               {"header_size", header.encoded().size()},
               {"content_size", inspected.content_size}};
  // JSON that was parsed strictly loses nothing here.
  if (!header.core().policy.empty()) json["policy"] = Json::parse(header.core().policy, nullptr, false);
  return json;
}

void print(const std::string& file, const Inspected& inspected,
           const std::optional<protocol::Bundle>& bundle) {
  const protocol::Header& header = inspected.header;
  std::cout << printable(file) << "\n  suite    " << protocol::suite_name(header.core().suite) << "\n";
  for (const protocol::Stanza& stanza : header.stanzas()) {
    std::cout << "  key      " << to_hex(stanza.key_id) << "\n";
    if (tells_of(bundle, stanza.key_id))
      std::cout << "  tenant   " << bundle->tenant() << "\n  epoch    " << bundle->epoch() << "\n";
  }
  if (const std::size_t unknown = header.unknown_stanzas().size(); unknown > 0)
    std::cout << "  further  " << unknown << " of types that this version does not know\n";
  const std::string policy(text_of(header.core().policy));
  std::cout << "  policy   "
            << (policy.empty() ? "none: every enrolled client may open it" : printable(policy)) << "\n"
            << "  header   " << header.encoded().size() << " bytes\n"
            << "  content  " << inspected.content_size << " bytes" << std::endl;
}

// The bundle, to name tenants. It must exist and be valid only if the user named it: a file can be inspected
// anywhere.
Result<std::optional<protocol::Bundle>> known_bundle(const Options& options) {
  const auto config = find_config(options);
  auto bundle = config ? find_bundle(options, *config) : Result<protocol::Bundle>(config.error());
  if (bundle) return std::optional(*std::move(bundle));
  if (options.bundle || options.config || options.key_id) return std::move(bundle).error();
  return std::optional<protocol::Bundle>();
}

}  // namespace

ExitCode inspect(const Options& options, Report& report) {
  const auto bundle = known_bundle(options);
  if (!bundle) {
    report.failed(bundle.error(), exit_code_of_bundle(bundle.error().code()));
    return report.exit_code();
  }
  for (const std::string& file : options.inputs) {
    const auto inspected = read(file);
    if (!inspected) {
      report.failed(file, inspected.error(), exit_code_of_file(inspected.error().code()));
      continue;
    }
    report.succeeded();
    if (options.json) {
      std::cout << to_json(file, *inspected, *bundle).dump(-1, ' ', true, Json::error_handler_t::replace)
                << std::endl;
    } else {
      print(file, *inspected, *bundle);
    }
  }
  return report.exit_code();
}

}  // namespace coprotect::client
