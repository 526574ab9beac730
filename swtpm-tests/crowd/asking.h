#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "client/agents.h"
#include "client/enrolment.h"
#include "client/partial_exchange.h"

namespace coprotect::harness::crowd {

// A client of the system, in this process's hands.
struct Client {
  std::filesystem::path config;
  std::shared_ptr<const client::Credentials> credentials;
};
Client load_client(const std::filesystem::path& config);
protocol::Bundle load_bundle(const std::filesystem::path& file);

// What somebody wants opened: an encapsulation's header, and the secret that it hides.
struct Sealed {
  protocol::Header header;
  Secret secret;
  std::string c1_hash;  // by which agents' logs name it
};
Sealed seal(const protocol::Bundle& bundle);

// One file as a request names it.
client::LockedFile locked(const Sealed& sealed);

// A client's connection to one agent, which is asked for its own part alone.
class Asking {
 public:
  Asking(const protocol::Bundle& bundle, const Client& client, const std::string& party,
         std::chrono::milliseconds deadline);

  // Whether the agent gave a part, with its proof, of every file; else why not.
  Status ask(std::span<const client::LockedFile> files);
  // Whether it answered at all. What it answered is not looked at, which would be as dear as the answer.
  Status send(std::span<const client::LockedFile> files);
  // The same for a request that this agent passes on to the key's others, within this time.
  Status send_chain(const client::LockedFile& file, std::chrono::milliseconds budget);
  // Makes a new connection for the next call.
  void reconnect();

 private:
  client::Asker asker() const;

  const protocol::Bundle& bundle_;
  const Client client_;
  const std::size_t party_;
  const std::chrono::milliseconds deadline_;
  client::AgentClient agent_;
};

}  // namespace coprotect::harness::crowd
