#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "provisioning/handover/completion.h"

namespace coprotect::provisioning {

// A key's history as one agent shows it.
struct AgentHistory {
  std::string agent;  // "cloud agent"
  protocol::Bundle bundle;
  // Whether it shows that all agents of the newest epoch acknowledged it.
  bool acknowledged = false;
};
// The newest history that continues from `known`. Where two such histories differ, the one that more agents
// show: a handover that was undone leaves a fully signed version, and a hostile agent can show it. But if all
// agents of both newest epochs acknowledged them, the later one is valid, whoever shows it: an honest agent
// acknowledged it only after giving up the other (protocol/SPEC.md §13.6). Code::altered, naming agents, if
// one shows a history that does not continue from `known`, or if equally many show each.
Result<protocol::Bundle> newest_history(const protocol::Bundle& known,
                                        const std::vector<AgentHistory>& shown);

// The agents that hold a key as an administrator sees them, each with its own status.
class HolderGroup {
 public:
  // Asks all agents of the bundle. Uses the newest bundle that one of them knows and that continues from this
  // one, and then asks that bundle's agents. An agent whose status contradicts itself or everything known
  // counts as unreachable: an agent must not be able to prevent its replacement by its answers. What an agent
  // named `distrusted` shows counts only if another agent shows it too. Errors of newest_history().
  // `credentials` must outlive it.
  static Result<HolderGroup> look(const protocol::Bundle& known, const client::Credentials& credentials,
                                  Random& random, std::string_view distrusted = {});

  struct Member {
    std::unique_ptr<HolderAgent> agent;
    Result<protocol::HandoverStatus> status;
    bool holds_now;  // of the newest epoch; the others held shares of `known`
    // Shows another branch of this key than the valid one. `status` says so.
    bool on_other_branch = false;
  };
  const protocol::Bundle& bundle() const { return bundle_; }
  // Whether nothing can undo the newest epoch: an agent shows that all acknowledged it, or enough agents of
  // the epoch before report that they saw that (client::shown_by_quorum()). The latter are too few after a
  // lost provider was replaced.
  bool confirmed() const;
  // The statements of all agents of the newest epoch about it, as one of them shows them or as they were
  // recalled. Null if neither.
  const std::vector<protocol::Statement>* acknowledgements() const;
  // Counts what an earlier run stored about the newest epoch. Ignores other epochs.
  void recall(const protocol::RetireRequest& kept);
  std::vector<Member>& members() { return members_; }
  // Null if the newest epoch has none of that name.
  Member* find(std::string_view name);
  // The agents of the newest epoch that answered.
  std::vector<HolderAgent*> reachable();
  // The newest list of this kind at any of them. Code::not_found if none has one, Code::unavailable if none
  // answers.
  Result<Bytes> newest_list(const ListKind& kind);
  // Client list and key list, for agents that join. The key list is empty if there is none.
  Result<TenantLists> lists();
  // The first unreachable agent of the newest epoch, as an error. Ignores `but`.
  Status all_reachable(std::string_view but = {}) const;

 private:
  HolderGroup(protocol::Bundle bundle, const client::Credentials& credentials)
      : bundle_(std::move(bundle)), credentials_(&credentials) {}
  protocol::Bundle bundle_;
  const client::Credentials* credentials_;
  std::vector<Member> members_;
  std::optional<std::vector<protocol::Statement>> recalled_;
};

// An error that names the unreachable agent, and says what to do without it.
Error waits_for(const HolderGroup::Member& member);

}  // namespace coprotect::provisioning
