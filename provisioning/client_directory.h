#pragma once

#include <filesystem>
#include <optional>

#include "client/enrolment.h"
#include "protocol/bundle/bundle.h"
#include "provisioning/durable.h"
#include "provisioning/further_keys.h"

namespace coprotect::provisioning {

// The files of a client: the folder with config.toml, certificate, private key and bundle.
struct ClientFiles {
  std::string name;
  std::string tenant;
  protocol::KeyId key_id;
  const protocol::Certificate& certificate;
  const protocol::SigningKey& key;
  std::vector<FurtherKey> further = {};  // named in the configuration; their bundles are written with it
  Bytes key_list = {};                   // TENANT.keys, if there is one
};

// Writes config.toml, NAME.pem and NAME.key.pem (0600) into a folder, which is created if missing. The bundle
// TENANT.bundle, which the configuration names, can follow later.
Status write_client_files(const std::filesystem::path& directory, const ClientFiles& files);
Status write_client_bundle(const std::filesystem::path& directory, const std::string& tenant,
                           ByteView bundle);

// The same, with the bundle, as a new folder that appears complete or not at all. Code::conflict if the
// folder exists.
Status create_client_directory(const std::filesystem::path& directory, const ClientFiles& files,
                               ByteView bundle);

// A client's configuration and all files that it names, read and checked: the bundle is for the pinned
// key_id, and its client CA issued the certificate.
struct ClientDirectory : client::Credentials {
  protocol::Bundle bundle;
  protocol::ClientIdentity identity;

  static Result<ClientDirectory> load(const std::filesystem::path& config);
};

}  // namespace coprotect::provisioning
