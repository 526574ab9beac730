#pragma once

#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::harness {

// One party's agent: its folder, its token and, while it runs, its process.
class Agent {
 public:
  Agent(std::string role, std::filesystem::path folder, std::string url)
      : role_(std::move(role)), folder_(std::move(folder)), url_(std::move(url)) {}

  // With faults, starts the twin that can die at a fault point; fault_at is COPROTECT_FAULT_AT, 0 for never.
  // With `programs`, starts the program in that folder.
  struct Options {
    bool with_faults = false;
    long fault_at = 0;
    bool lists_points = false;  // in fault_log(), from its start
    std::filesystem::path programs = {};
    std::vector<std::string> arguments = {};  // additional ones
  };
  bool start(const Options& options);
  bool start() { return start(Options{}); }
  void stop() { daemon_.end(SIGTERM); }
  void kill() { daemon_.end(SIGKILL); }
  Daemon& daemon() { return daemon_; }
  bool running() { return !daemon_.ended(); }

  const std::filesystem::path& folder() const { return folder_; }
  // Its writable state in its folder (hsm/agent_folder.h, which a harness does not include).
  std::filesystem::path state() const { return folder_ / "state"; }
  const std::string& url() const { return url_; }
  std::filesystem::path log() const { return folder_.string() + ".log"; }
  // Its sandbox allows writing there.
  std::filesystem::path fault_log() const { return state() / "faults"; }
  std::filesystem::path config() const { return folder_ / "agent.toml"; }
  std::filesystem::path invitation() const { return folder_ / "invitation"; }
  // NAME=VALUE for its token's library.
  std::vector<std::string> environment;

 private:
  std::string role_;
  std::filesystem::path folder_;
  std::string url_;
  Daemon daemon_;
};

// A complete system in a scratch folder: a software TPM for the cloud, a SoftHSM2 token for the company, and
// both agents on a loopback address of this test. The destructor removes it.
class System {
 public:
  struct Options {
    std::string suite = "p256";
    std::string tenant = "acme";
    unsigned hold_seconds = 300;
    bool started = true;  // both agents run; otherwise nothing is onboarded
    bool onboarded = true;
    bool derive_key = false;       // a further key, "derive", of the same suite
    unsigned peer_seconds = 3600;  // how often the agents ask each other what they remember
    // The contents of [policy] in both agents' configuration.
    std::string policy = "";
    // The contents of [policy.derive] in both agents' configuration; empty: no such table.
    std::string derive_policy = "tenants = [\"acme\"]\n";
    // The same for [policy.handover].
    std::string handover_policy = {};
  };
  // If a step fails, it fails the calling test and leaves an unusable object.
  explicit System(const Options& options);

  static std::string ca_passphrase();
  // Programs of this build.
  static std::filesystem::path program(const std::string& name);
  static std::filesystem::path fault_program(const std::string& name);

  // coprotect-provision onboard, with the code retyped as shown (after `change`).
  Finished onboard(const std::filesystem::path& provision = program("coprotect-provision"),
                   std::vector<std::string> environment = {}, std::string (*change)(std::string) = nullptr);
  // Makes fresh invitations of both agents, then runs coprotect-provision add-key NAME. The code is retyped
  // as shown, and stored in codes().
  Finished add_key(const std::string& name, const std::vector<std::string>& options,
                   const std::filesystem::path& provision = program("coprotect-provision"),
                   const std::vector<std::string>& environment = {});
  // The same with the existing invitations.
  Finished add_key_again(const std::string& name, const std::vector<std::string>& options,
                         const std::filesystem::path& provision = program("coprotect-provision"),
                         const std::vector<std::string>& environment = {});
  // The same, with the code that an earlier run showed.
  Finished add_key_by_code(const std::string& name, const std::vector<std::string>& options);
  Finished invite(const Agent& agent) const;
  // A running agent that holds nothing yet, with its own token: a TPM or else a SoftHSM2 token. One whose
  // name begins with "cloud" is the provider's: the provider's organisation certifies it, or it is its own
  // organisation.
  Agent& add_agent(const std::string& role, const std::string& name, bool tpm, bool of_provider = true);
  // Runs coprotect-provision for a change of holders. The passphrase of the client CA is on descriptor 9. If
  // a code is to be shown and retyped, it becomes the new code(); otherwise the present one is on descriptor
  // 8. Meanwhile the operators of `approving` approve each plan that their agents show them.
  Finished hand_over(std::vector<std::string> args, bool new_code = false,
                     const std::filesystem::path& provision = program("coprotect-provision"),
                     const std::vector<std::string>& environment = {});
  // coprotect-provision rotate --name NAME, with fresh invitations or, for rotate_again(), the existing ones.
  Finished rotate(const std::string& name, const std::vector<std::string>& options = {},
                  const std::filesystem::path& provision = program("coprotect-provision"),
                  const std::vector<std::string>& environment = {});
  Finished rotate_again(const std::string& name, const std::vector<std::string>& options = {},
                        const std::filesystem::path& provision = program("coprotect-provision"),
                        const std::vector<std::string>& environment = {});
  // coprotect-provision key-state KEY STATE …
  Finished key_state(const std::string& key, const std::string& state,
                     const std::vector<std::string>& options = {},
                     const std::filesystem::path& provision = program("coprotect-provision"),
                     const std::vector<std::string>& environment = {}) const;
  // A new client whose configuration names all further keys. Returns the path of its configuration.
  std::filesystem::path add_client(const std::string& name, const std::vector<std::string>& options = {});
  Finished remove_client(const std::string& name, const std::vector<std::string>& options = {}) const;
  // `coprotect ARGS…` as the client with this configuration.
  Finished coprotect(const std::filesystem::path& config, const std::vector<std::string>& args) const;
  Finished provision(const std::vector<std::string>& args) const;
  // `coprotect decrypt --recover --kit …` with the code.
  Finished recover(const std::vector<std::string>& args) const;

  // The agents whose operators approve. All, if absent.
  std::optional<std::vector<const Agent*>> approving;

  Agent& cloud() { return *cloud_; }
  Agent& company() { return *company_; }
  SoftTpm& tpm() { return *tpm_; }
  SoftToken& token() { return *token_; }
  const std::filesystem::path& folder() const { return scratch_.path(); }
  std::filesystem::path out() const { return folder() / "onboarding"; }
  std::filesystem::path admin() const { return out() / "admin" / "config.toml"; }
  std::filesystem::path bundle() const { return out() / (options_.tenant + ".bundle"); }
  std::filesystem::path kit() const { return out() / (options_.tenant + ".kit"); }
  const std::string& code() const { return code_; }
  // Sets the code that later commands use: the one that the last new code was to replace.
  void keep_code(const std::string& code) { code_ = code; }
  // For a further key.
  std::filesystem::path kit(const std::string& key) const { return key_folder(key) / (key + ".kit"); }
  std::filesystem::path bundle(const std::string& key) const { return key_folder(key) / (key + ".bundle"); }
  const std::string& code(const std::string& key) const { return codes_.at(key); }
  const Options& options() const { return options_; }

 private:
  // A command that makes a further key, with the existing invitations.
  Command key_command(const std::vector<std::string>& command_line, const std::vector<std::string>& options,
                      const std::filesystem::path& provision,
                      const std::vector<std::string>& environment) const;
  Finished make_key(const std::string& name, const std::vector<std::string>& command_line,
                    const std::vector<std::string>& options, const std::filesystem::path& provision,
                    const std::vector<std::string>& environment);
  void invite_both() const;
  std::filesystem::path key_folder(const std::string& key) const { return out() / "keys" / key; }
  bool init_agent(Agent& agent, const std::string& role, const std::string& token_uri, bool of_provider);
  void approve_until(const std::atomic<bool>& over) const;
  std::filesystem::path provider() const { return folder() / "provider-organisation"; }

  Options options_;
  Scratch scratch_;
  std::unique_ptr<SoftTpm> tpm_;
  std::unique_ptr<SoftToken> token_;
  std::unique_ptr<Agent> cloud_;
  std::unique_ptr<Agent> company_;
  // An agent made later, with its token.
  struct Further {
    std::unique_ptr<SoftTpm> tpm;
    std::unique_ptr<SoftToken> token;
    std::unique_ptr<Agent> agent;
  };
  std::string address_;
  std::vector<Further> further_;
  std::string code_;
  std::map<std::string, std::string> codes_;  // of further keys
};

// The numbers of the fault points at which a process's death has a different effect than at the point before.
// The log is a process's COPROTECT_FAULT_LOG, one point per line. A "before" of one action directly follows
// the "after" of another, so it makes no difference.
std::vector<long> deaths_that_differ(const std::string& fault_log);
// Tests try some points, others each day, unless COPROTECT_EVERY_POINT is set. todays_first() is the first of
// every step-th point.
bool every_point_is_wanted();
std::size_t todays_first(std::size_t step);

}  // namespace coprotect::harness
