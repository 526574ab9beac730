#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>

#include "client/bundle_update.h"

namespace coprotect::client {

// A key's bundle in the hands of a program, which goes on as the key does, and only to what no handover can
// take back. Copies are one: what one of them goes on to, all have. Safe from several threads.
class HeldBundle {
 public:
  // Told, once, why newer bundles are not kept: they are used all the same, until the program ends.
  using Warn = std::function<void(const Error&)>;

  // In memory alone.
  HeldBundle(protocol::Bundle bundle);
  // Read from this file, in which newer ones are kept.
  HeldBundle(protocol::Bundle bundle, std::filesystem::path file, Warn warn);

  std::shared_ptr<const protocol::Bundle> current() const;
  // The candidate in which a quorum answered last, or else what is held: where to ask first. It is in a file
  // beside the bundle's, ".candidate", which is a hint and no more.
  std::shared_ptr<const protocol::Bundle> preferred() const;
  void prefer(const protocol::Bundle& candidate) const;
  // What the key's agents show (ask_history(), errors as there). What a quorum shows is then held and kept.
  // Of threads that ask at the same time, one asks for all if it brings a newer one.
  Result<ShownHistory> ask(const Credentials& credentials, std::chrono::milliseconds deadline) const;
  // Holds and keeps a candidate of which it turned out that nothing takes it back.
  void confirm(const protocol::Bundle& candidate) const;
  // Whether the file has this bundle, or what goes on from it, put there by another program: then that is
  // held.
  bool follow_file() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace coprotect::client
