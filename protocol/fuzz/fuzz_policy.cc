// Policies: parsing terminates, and an accepted policy can be checked.

#include "protocol/file/policy.h"

using namespace coprotect;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto policy = protocol::Policy::parse(ByteView(data, size));
  if (!policy) {
    invariant(policy.error().code() == Code::malformed && !policy.error().message().empty());
    return 0;
  }
  const protocol::Subject subject{"coprotect:acme:user:alice", {"coprotect:acme:group:legal"}};
  const auto answer = policy->check(subject, protocol::Action::view, 1'790'000'000'000);
  invariant(!policy->absent() || answer);
  return 0;
}
