#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "protocol/base/random.h"
#include "protocol/x509/certificate.h"
#include "provisioning/operator.h"
#include "provisioning/registry.h"

namespace coprotect::provisioning {

struct AddClientOptions {
  std::string name;
  std::filesystem::path directory;  // the folder that onboard made
  std::filesystem::path out;        // the client's new folder
  protocol::Role role = protocol::Role::user;
  std::vector<std::string> groups;  // names
  unsigned days = 90;
  bool replace = false;  // the client's earlier key
  ListBase base = ListBase::newest;
};

// Makes a client's key, certificate and folder, and enrols it at both agents. After a failure it can be run
// again with the same folder, and completes what is missing. Code::conflict if the client already has another
// key and `replace` is false.
Status add_client(const AddClientOptions& options, const Operator& person, std::int64_t now_ms,
                  Random& random);

struct RemoveClientOptions {
  std::string name;  // of a user or administrator, or a whole identity URI
  std::filesystem::path directory;
  bool without_recovery = false;  // does not ask before it removes the recovery administrator
  ListBase base = ListBase::newest;
};

// Removes a client from the list at both agents, which refuse it from then on. Code::not_found if neither
// they nor the folder know it. A client of role recovery is removed only if the operator types a confirmation
// or gave the option, because its kit and code become useless.
Status remove_client(const RemoveClientOptions& options, const Operator& person, std::int64_t now_ms,
                     Random& random);

}  // namespace coprotect::provisioning
