#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>

#include "client/enrolment.h"

namespace coprotect::client {

// A key's bundle in the hands of a program, which goes on as the key does. Copies are one: what one of them
// goes on to, all have. Safe from several threads.
class HeldBundle {
 public:
  // Told, once, why newer bundles are not kept: they are used all the same, until the program ends.
  using Warn = std::function<void(const Error&)>;

  // In memory alone.
  HeldBundle(protocol::Bundle bundle);
  // Read from this file, in which newer ones are kept.
  HeldBundle(protocol::Bundle bundle, std::filesystem::path file, Warn warn);

  std::shared_ptr<const protocol::Bundle> current() const;
  // The newest one that the key's agents show (fetch_newest(), errors as there), which is then held and kept.
  // Of threads that want it at the same time, one asks for all.
  Result<std::shared_ptr<const protocol::Bundle>> newest(const Credentials& credentials,
                                                         std::chrono::milliseconds deadline) const;
  // Whether the file has this bundle, or what goes on from it, put there by another program: then that is
  // held.
  bool follow_file() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace coprotect::client
