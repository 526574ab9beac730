#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "provisioning/handover/completion.h"

namespace coprotect::provisioning {

// The agents that hold a key, as an administrator sees them: each with what it says of itself.
class HolderGroup {
 public:
  // Asks all agents of the bundle. Takes the newest bundle that one of them knows and that goes on from this
  // one, and then asks that one's agents. Code::altered, naming the agent, for a bundle that does not.
  // `credentials` outlives it.
  static Result<HolderGroup> look(const protocol::Bundle& known, const client::Credentials& credentials,
                                  Random& random);

  struct Member {
    std::unique_ptr<HolderAgent> agent;
    Result<protocol::HandoverStatus> status;
    bool holds_now;  // of the newest epoch; the others held shares of `known`
  };
  const protocol::Bundle& bundle() const { return bundle_; }
  std::vector<Member>& members() { return members_; }
  // Null if there is none of that name in the newest epoch.
  Member* find(std::string_view name);
  // Those of the newest epoch who answered.
  std::vector<HolderAgent*> reachable();
  // The newest list of a kind that one of them has; Code::not_found if none has one, Code::unavailable if
  // nobody answers.
  Result<Bytes> newest_list(const ListKind& kind);
  // Client list and key list, for agents that join; the latter is empty if there is none.
  Result<TenantLists> lists();
  // The first agent of the newest epoch that cannot be reached, as an error; `but` does not count.
  Status all_reachable(std::string_view but = {}) const;

 private:
  HolderGroup(protocol::Bundle bundle, const client::Credentials& credentials)
      : bundle_(std::move(bundle)), credentials_(&credentials) {}
  protocol::Bundle bundle_;
  const client::Credentials* credentials_;
  std::vector<Member> members_;
};

// Finishes what an earlier run left, or takes it back: the newest epoch at all its holders, or the epoch
// before at all. `invited` are the invitations at hand, for agents that join. Says what it does. Afterwards
// look() again. Code::conflict or Code::unavailable names who is waited for.
struct Leftover {
  // Of a tool that confirmed a new recovery share and died: the bundle that it committed.
  std::optional<protocol::Bundle> committed;
  std::span<InvitedAgent> invited;
  TenantLists lists;
};
enum class Settled { nothing_left, completed, taken_back };
Result<Settled> settle(HolderGroup& holders, const Leftover& leftover, const Operator& person,
                       Random& random);
// Takes back what is prepared somewhere, even if all have confirmed it, for a tool that has to begin anew.
Status take_back_prepared(HolderGroup& holders, std::span<InvitedAgent> invited, const Operator& person,
                          Random& random);

}  // namespace coprotect::provisioning
