#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>

#include "client/bundle_update.h"

namespace coprotect::client {

// A program's bundle of a key. It advances with the key, but only to versions that no handover can undo.
// Copies share one state. Safe from several threads.
class HeldBundle {
 public:
  // Called once with the reason why newer bundles cannot be saved. They are still used until the program
  // ends.
  using Warn = std::function<void(const Error&)>;

  // In memory only.
  HeldBundle(protocol::Bundle bundle);
  // Read from this file, in which newer ones are saved.
  HeldBundle(protocol::Bundle bundle, std::filesystem::path file, Warn warn);

  std::shared_ptr<const protocol::Bundle> current() const;
  // The candidate in which a quorum last answered, else the held bundle: where to ask first. It is stored
  // beside the bundle's file as ".candidate", and is only a hint.
  std::shared_ptr<const protocol::Bundle> preferred() const;
  void prefer(const protocol::Bundle& candidate) const;
  // The history that the key's agents show (errors as for ask_history()). What a quorum shows is then held
  // and saved. When several threads ask at the same time and one brings a newer bundle, the others use its
  // result.
  Result<ShownHistory> ask(const Credentials& credentials, std::chrono::milliseconds deadline) const;
  // Holds and saves a candidate that turned out to be irrevocable.
  void confirm(const protocol::Bundle& candidate) const;
  // Whether another program saved this bundle, or one that extends it, in the file. If so, that one is held.
  bool follow_file() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace coprotect::client
