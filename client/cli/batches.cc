#include "client/cli/batches.h"

namespace coprotect::client {
namespace {

LockedFile locked(const Waiting& file, const protocol::KeyId& key_id) {
  return {.header = &file.header, .stanza = *file.header.stanza_for(key_id)};
}

}  // namespace

void Batches::add(Waiting file, const Openings::Choice& choice) {
  // Each waiting file is open.
  if (waiting_ == protocol::kMaxItems) flush();
  Batch& batch = batches_[choice.quorum];
  const std::size_t share = request_share(locked(file, choice.key_id));
  if (batch.size + share > kMaxBatchSize) flush(*choice.quorum, batch);
  batch.files.push_back(std::move(file));
  batch.size += share;
  ++waiting_;
}

void Batches::flush() {
  for (auto& [quorum, batch] : batches_) flush(*quorum, batch);
}

void Batches::flush(Quorum& quorum, Batch& batch) {
  if (batch.files.empty()) return;
  std::vector<LockedFile> files;
  for (const Waiting& file : batch.files) files.push_back(locked(file, quorum.bundle().key_id()));
  const auto opened = quorum.open(files);
  for (std::size_t i = 0; i < batch.files.size(); ++i) finish_(batch.files[i], opened[i]);
  waiting_ -= batch.files.size();
  batch = {};
}

}  // namespace coprotect::client
