#pragma once

#include <filesystem>
#include <optional>

#include "client/enrolment.h"
#include "protocol/bundle/bundle.h"
#include "provisioning/durable.h"
#include "provisioning/further_keys.h"

namespace coprotect::provisioning {

// What a client is given: the folder with config.toml, certificate, private key and bundle.
struct ClientFiles {
  std::string name;
  std::string tenant;
  protocol::KeyId key_id;
  const protocol::Certificate& certificate;
  const protocol::SigningKey& key;
  std::vector<FurtherKey> further = {};  // named in the configuration, their bundles written with it
  Bytes key_list = {};                   // TENANT.keys, if there is one
};

// Writes config.toml, NAME.pem and NAME.key.pem (0600) into a folder, which is made if need be. The bundle,
// whose name the configuration holds, may come later: TENANT.bundle.
Status write_client_files(const std::filesystem::path& directory, const ClientFiles& files);
Status write_client_bundle(const std::filesystem::path& directory, const std::string& tenant,
                           ByteView bundle);

// The same, bundle included, as a new folder that is there in whole or not at all. Code::conflict if
// something is there.
Status create_client_directory(const std::filesystem::path& directory, const ClientFiles& files,
                               ByteView bundle);

// A client's configuration with all that it names, read and checked: the bundle is the one of the pinned
// key_id and the certificate is from its client CA.
struct ClientDirectory : client::Credentials {
  protocol::Bundle bundle;
  protocol::ClientIdentity identity;

  static Result<ClientDirectory> load(const std::filesystem::path& config);
};

}  // namespace coprotect::provisioning
