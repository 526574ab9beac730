#pragma once

#include <functional>
#include <map>
#include <vector>

#include "client/cli/openings.h"
#include "client/cli/plan.h"

namespace coprotect::client {

// A file whose header has been read and that waits for its batch.
struct Waiting {
  Job job;
  Input input;
  protocol::Header header;
};

// Opens headers in batches, one batch per key. A folder thus costs each agent few requests and the client
// little memory.
class Batches {
 public:
  // Called with each file's result: m, which the header's MAC has not confirmed yet, or the error.
  using Finish = std::function<void(Waiting& file, const Result<protocol::Element>& m)>;
  explicit Batches(Finish finish) : finish_(std::move(finish)) {}

  void add(Waiting file, const Openings::Choice& choice);
  // Opens the files that still wait.
  void flush();

 private:
  struct Batch {
    std::vector<Waiting> files;
    std::size_t size = 0;
  };
  void flush(Quorum& quorum, Batch& batch);

  Finish finish_;
  std::map<Quorum*, Batch> batches_;
  std::size_t waiting_ = 0;
};

}  // namespace coprotect::client
