#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "swtpm-tests/crowd/asking.h"
#include "swtpm-tests/crowd/recorded.h"

namespace coprotect::harness::crowd {

// A client that opens one file after another, with pauses, as a user's program does: from all agents together
// through the client library, or from one agent its part alone. What it gets it compares with what it sealed.
class Honest {
 public:
  struct Plan {
    Client client;
    const protocol::Bundle* bundle;
    std::vector<std::string> parties;  // all of the key's, or one
    bool kept;                         // connections stay open; otherwise each request makes new ones
    std::chrono::milliseconds pause;
    std::chrono::milliseconds deadline = std::chrono::seconds(30);
    // Repeats what was answered `unavailable`, for as long as the deadline. The time counts from the first
    // try.
    bool repeats = true;
  };
  struct Tally {
    std::vector<double> milliseconds;
    std::size_t repeated = 0;
    std::vector<Error> failures = {};
  };

  // It begins at once.
  Honest(Plan plan, Recorded& recorded);
  // What it saw, once it has ended its last request.
  Tally end();

 private:
  class Opener;
  void run(const std::stop_token& stop);
  void open_one(Opener& opener);

  const Plan plan_;
  Recorded& recorded_;
  Tally tally_;
  std::jthread thread_;
};

}  // namespace coprotect::harness::crowd
