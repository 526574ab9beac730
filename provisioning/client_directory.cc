#include "provisioning/client_directory.h"

#include <stdlib.h>

#include <sstream>

#include "client/enrolment.h"
#include "provisioning/toml_text.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

std::string configuration(const ClientFiles& files) {
  std::ostringstream text;
  text << "# " << files.name << " of " << files.tenant << "; paths are relative to this file\n"
       << "key_id = " << toml_string(to_hex(files.key_id)) << '\n'
       << "bundle = " << toml_string(files.tenant + ".bundle") << '\n'
       << "certificate = " << toml_string(files.name + ".pem") << '\n'
       << "key = " << toml_string(files.name + ".key.pem") << '\n';
  for (const FurtherKey& key : files.further) text << '\n' << further_key_entry(key);
  return text.str();
}

}  // namespace

Status write_client_files(const fs::path& directory, const ClientFiles& files) {
  if (auto made = make_private_directory(directory); !made) return made;
  if (auto written =
          write_durable(directory / (files.name + ".key.pem"), files.key.to_pem().reveal(), kPrivateMode);
      !written)
    return written;
  if (auto written =
          write_durable(directory / (files.name + ".pem"), bytes_of(files.certificate.pem()), kPublicMode);
      !written)
    return written;
  for (const FurtherKey& key : files.further)
    if (auto written = write_durable(directory / (key.name + ".bundle"), key.bundle.encoded(), kPublicMode);
        !written)
      return written;
  if (!files.key_list.empty())
    if (auto written = write_durable(directory / (files.tenant + ".keys"), files.key_list, kPublicMode);
        !written)
      return written;
  return write_durable(directory / "config.toml", bytes_of(configuration(files)), kPublicMode);
}

Status write_client_bundle(const fs::path& directory, const std::string& tenant, ByteView bundle) {
  return write_durable(directory / (tenant + ".bundle"), bundle, kPublicMode);
}

Status create_client_directory(const fs::path& directory, const ClientFiles& files, ByteView bundle) {
  std::string temporary = directory.string() + ".tmp-XXXXXX";
  if (mkdtemp(temporary.data()) == nullptr)
    return Error(Code::unavailable, "cannot make a folder beside \"" + directory.string() + "\"");
  Status status = write_client_files(temporary, files);
  if (status) status = write_client_bundle(temporary, files.tenant, bundle);
  if (status) status = rename_durable(temporary, directory);
  if (!status) {
    // The caller needs the first failure. What cannot be removed stays there under its temporary name.
    if (auto removed = remove_tree(temporary); !removed) return status;
  }
  return status;
}

Result<ClientDirectory> ClientDirectory::load(const fs::path& config_file) {
  auto config = client::read_config(config_file);
  if (!config) return std::move(config).error();
  auto bundle = client::load_bundle(config->bundle, config->key_id);
  if (!bundle) return std::move(bundle).error();
  auto credentials = client::load_credentials(*config);
  if (!credentials) return std::move(credentials).error();
  auto identity = protocol::client_identity(credentials->certificate);
  if (!identity) return std::move(identity).error().in("\"" + config->certificate.string() + "\"");
  return ClientDirectory{*std::move(credentials), *std::move(bundle), *std::move(identity)};
}

}  // namespace coprotect::provisioning
