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
// The newest history that goes on from `known`. Where two that go on from it differ, the one that more agents
// show: a handover that was taken back leaves a version that is fully signed, and a hostile agent can show
// it. But of two whose newest epochs all their agents acknowledged the later one counts, whoever shows it: an
// honest agent acknowledged that one only after it had given up the other (protocol/SPEC.md §13.6).
// Code::altered, naming agents, if one shows what does not go on from `known`, or if as many show either.
Result<protocol::Bundle> newest_history(const protocol::Bundle& known,
                                        const std::vector<AgentHistory>& shown);

// The agents that hold a key, as an administrator sees them: each with what it says of itself.
class HolderGroup {
 public:
  // Asks all agents of the bundle. Takes the newest bundle that one of them knows and that goes on from this
  // one, and then asks that one's agents. One whose status contradicts itself or all that is known counts as
  // one that does not answer: an agent must not keep itself from being replaced by what it says. What an
  // agent named `distrusted` shows counts only if another shows it, too. Errors of newest_history().
  // `credentials` outlives it.
  static Result<HolderGroup> look(const protocol::Bundle& known, const client::Credentials& credentials,
                                  Random& random, std::string_view distrusted = {});

  struct Member {
    std::unique_ptr<HolderAgent> agent;
    Result<protocol::HandoverStatus> status;
    bool holds_now;  // of the newest epoch; the others held shares of `known`
    // Shows another branch of this key than the one that counts; `status` says so.
    bool on_other_branch = false;
  };
  const protocol::Bundle& bundle() const { return bundle_; }
  // Whether nothing takes the newest epoch back: an agent shows that all acknowledged it, or enough of the
  // epoch before say that they saw that (client::shown_by_quorum()). The latter are too few once a provider
  // that is gone was replaced.
  bool confirmed() const;
  // What all agents of the newest epoch said of it, as one of them shows it or as it was recalled; null if
  // neither.
  const std::vector<protocol::Statement>* acknowledgements() const;
  // Counts what an earlier run kept of the newest epoch; of another epoch it is ignored.
  void recall(const protocol::RetireRequest& kept);
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
  std::optional<std::vector<protocol::Statement>> recalled_;
};

// An error that names who does not answer, and what to do without it.
Error waits_for(const HolderGroup::Member& member);

}  // namespace coprotect::provisioning
