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
  std::filesystem::path directory;  // what onboard left
  std::filesystem::path out;        // the client's new folder
  protocol::Role role = protocol::Role::user;
  std::vector<std::string> groups;  // names
  unsigned days = 90;
  bool replace = false;  // the client's earlier key
  ListBase base = ListBase::newest;
};

// Makes a client's key, certificate and folder and enrols it at both agents. May be run again with the same
// folder after a failure: it completes what is missing. Code::conflict if the client has another key already
// and it is not to be replaced.
Status add_client(const AddClientOptions& options, const Operator& person, std::int64_t now_ms,
                  Random& random);

struct RemoveClientOptions {
  std::string name;  // of a user or administrator, or a whole identity URI
  std::filesystem::path directory;
  bool without_recovery = false;  // does not ask before it removes the recovery administrator
  ListBase base = ListBase::newest;
};

// Takes a client off the list at both agents, which refuse it from then on. Code::not_found if neither they
// nor the folder know it. The client of role recovery is removed only if its words are typed, or were given
// as an option: with it, kit and code end.
Status remove_client(const RemoveClientOptions& options, const Operator& person, std::int64_t now_ms,
                     Random& random);

}  // namespace coprotect::provisioning
