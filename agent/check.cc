#include "agent/check.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "agent/custodian/custodian.h"
#include "agent/front/listener.h"
#include "agent/relay/tls_identity.h"
#include "agent/relay_process.h"
#include "agent/start_checks.h"
#include "agent/tls_files.h"
#include "hsm/epoch_keys.h"
#include "hsm/sealed_keeper.h"
#include "hsm/store_in_use.h"
#include "hsm/token_label.h"
#include "protocol/base/fd.h"
#include "protocol/base/text.h"
#include "protocol/file/utc_time.h"

namespace coprotect::agent {
namespace {

using std::filesystem::path;

constexpr std::int64_t kDayMs = std::int64_t{24} * 3'600'000;
constexpr std::int64_t kSoonMs = 14 * kDayMs;
// How far the clocks of agents and clients may differ (protocol/SPEC.md §7.1).
constexpr std::int64_t kClockMs = std::int64_t{5} * 60'000;
constexpr std::uint32_t kPeerBudgetMs = 5'000;
constexpr const char* kRestore = "docs/runbooks/backup-and-restore.md";

std::string quoted(const path& file) {
  return "\"" + file.string() + "\"";
}

// What the one who runs the token does about its error.
std::string step_for_token(Code code) {
  switch (code) {
    case Code::wrong_code:
      return "write the right PIN into the PIN file; the token is asked again once that file has changed";
    case Code::locked_out:
      return "unlock the token with its vendor's tool";
    case Code::altered:
    case Code::not_found:
      return std::string("use the token and the keyring that belong together, or restore: ") + kRestore;
    case Code::unavailable:
      return "connect or start the token, and let the agent's user read it";
    default:
      return "correct what the cause names, or \"token\" in agent.toml (docs/CONFIG.md)";
  }
}

class Check {
 public:
  Check(path file, path programs, std::int64_t now_ms)
      : file_(std::move(file)), programs_(std::move(programs)), now_ms_(now_ms) {}

  std::vector<Finding> run() {
    auto loaded = Config::load(file_);
    if (!loaded) {
      fault(quoted(file_), loaded.error().message(),
            "correct the file (docs/CONFIG.md), and run this as the agent's user");
      return std::move(found_);
    }
    const Config config = *std::move(loaded);
    const bool runs = hsm::is_in_use(config.state() / "store.db");
    check_programs(config);
    const bool own = check_folders(config);
    const auto identity = check_identity(config);
    check_tls(config, identity);
    if (runs)
      note("the agent", "it runs", "what a start would do to its address was not tried");
    else
      check_address(config);
    if (own && identity) check_secrets(config, *identity);
    return std::move(found_);
  }

 private:
  void fault(std::string object, std::string cause, std::string step) {
    found_.push_back({true, std::move(object), std::move(cause), std::move(step)});
  }
  void note(std::string object, std::string cause, std::string step) {
    found_.push_back({false, std::move(object), std::move(cause), std::move(step)});
  }
  bool holds(const Status& status, std::string object, std::string step) {
    if (!status) fault(std::move(object), status.error().message(), std::move(step));
    return static_cast<bool>(status);
  }

  void check_programs(const Config& config) {
    for (const char* const name :
         {"coprotect-starter", "coprotect-front", "coprotect-relay", "coprotect-token"})
      check_executable(programs_ / name, "install the whole package");
    if (const auto& notify = config.policy.handover.notify)
      check_executable(*notify, "correct \"notify\" in agent.toml, or make the command executable");
  }
  void check_executable(const path& program, const char* step) {
    if (access(program.c_str(), X_OK) != 0)
      fault("program " + quoted(program), std::string("cannot be started: ") + std::strerror(errno), step);
  }

  // Whether they are of the user who runs this.
  bool check_folders(const Config& config) {
    for (const path& folder : own_folders(config))
      holds(check_folder(folder), "folder " + quoted(folder), "chmod go-w " + quoted(folder));
    struct stat about {};
    if (stat(config.state().c_str(), &about) != 0) {
      fault("folder " + quoted(config.state()), std::string("cannot be looked at: ") + std::strerror(errno),
            std::string("make the agent with coprotect-provision init-agent, or restore it: ") + kRestore);
      return false;
    }
    const std::string owner = "'#" + std::to_string(about.st_uid) + "'";
    const std::string again = "sudo -u " + owner + " coprotect-agent check --config " + file_.string();
    if (!holds(check_user(config.state()), "user", again)) return false;
    if (access(config.state().c_str(), R_OK | W_OK | X_OK) == 0) return true;
    fault("folder " + quoted(config.state()), "its owner may not write to it", "chmod u+rwx it");
    return false;
  }

  std::optional<OwnIdentity> check_identity(const Config& config) {
    auto identity = read_identity(config.folder);
    if (!identity) {
      fault("identity", identity.error().message(),
            std::string("restore the file from a backup: ") + kRestore);
      return std::nullopt;
    }
    check_times("identity.pem", identity->certificate,
                "replace this agent by another one: docs/runbooks/other-holders.md");
    return *std::move(identity);
  }

  void check_times(const std::string& object, const protocol::Certificate& certificate, const char* step) {
    const auto begins = certificate.not_before_ms();
    const auto ends = certificate.not_after_ms();
    if (now_ms_ < begins)
      fault("clock", "it shows a time before " + object + " began, " + protocol::format_utc_time(begins),
            "set the clock, and have it synchronised");
    if (now_ms_ > ends)
      fault("certificate " + object, "it expired on " + protocol::format_utc_time(ends), step);
    else if (ends - now_ms_ < kSoonMs)
      note("certificate " + object, "it expires on " + protocol::format_utc_time(ends), step);
  }

  void check_tls(const Config& config, const std::optional<OwnIdentity>& identity) {
    const std::string object = "certificate " + quoted(config.tls.certificate);
    const std::string renew = "coprotect-provision renew-tls --dir " + config.folder.string();
    if (!holds(check_tls_key(config.tls.key), "TLS key", "chmod go-w,o-rwx " + quoted(config.tls.key)))
      return;
    const Fd certificate(open(config.tls.certificate.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!certificate) return fault(object, std::string("cannot be opened: ") + std::strerror(errno), renew);
    const Fd key(open(config.tls.key.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!key)
      return fault("TLS key " + quoted(config.tls.key),
                   std::string("cannot be opened: ") + std::strerror(errno), renew);
    const auto tls = relay::TlsIdentity::read(certificate.get(), key.get());
    if (!tls) return fault(object, tls.error().message(), renew);
    const std::size_t before = found_.size();
    check_times(quoted(config.tls.certificate), (*tls)->certificate, renew.c_str());
    // As other agents verify it.
    if (!identity || found_.size() != before) return;
    const std::span<const protocol::Certificate> chain(&(*tls)->certificate, 1);
    holds(protocol::verify_client_chain(chain, identity->certificate, now_ms_), object, renew);
  }

  void check_address(const Config& config) {
    const auto listener = front::listen_on(config.listen);
    if (!listener)
      fault("address " + config.listen, listener.error().message(),
            "end the program that uses the address, or correct \"listen\" in agent.toml");
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    if (const auto fit = config.limits.fit_into(files.rlim_max); !fit)
      note("limits", fit.error().message() + ", which a service may have otherwise",
           "raise LimitNOFILE of the service, or lower \"connections\" in agent.toml");
  }

  void check_secrets(const Config& config, const OwnIdentity& identity) {
    const hsm::Token token = token_of(config, programs_);
    auto keyring = open_keyring(config, token, identity);
    if (!keyring)
      return fault(hsm::token_label(config.token), keyring.error().message(),
                   step_for_token(keyring.error().code()));
    const hsm::Token named = token.named(keyring->token_name());
    const path epochs = config.state() / hsm::kEpochKeysFile;
    const auto custodian = custodian::Custodian::inspect(settings_of(config, identity), *std::move(keyring),
                                                         hsm::make_sealed_keeper(named, epochs, config.hold));
    if (!custodian)
      return fault("store " + quoted(config.state() / "store.db"), custodian.error().message(),
                   std::string("put the newest store back: ") + kRestore);
    const auto sealed = (*custodian)->sealed_before();
    const auto opens = sealed ? hsm::EpochKeys(named, epochs).check(*sealed) : Status(sealed.error());
    if (!opens)
      fault("sealing keys " + quoted(epochs), opens.error().message(),
            opens.error().code() == Code::altered ? std::string("restore the newest backup: ") + kRestore
                                                  : step_for_token(opens.error().code()));
    check_clock(**custodian);
    check_keys(**custodian);
    check_peers(config, **custodian);
  }

  void check_clock(custodian::Custodian& custodian) {
    const auto newest = custodian.newest_entry_ms();
    if (newest && *newest && now_ms_ + kClockMs < **newest)
      fault("clock",
            "it shows " + protocol::format_utc_time(now_ms_) + ", but the agent's log has an entry of " +
                protocol::format_utc_time(**newest),
            "set the clock, and have it synchronised");
  }

  // By what `status` shows.
  void check_keys(custodian::Custodian& custodian) {
    const auto report = nlohmann::json::parse(custodian.overview({}), nullptr, false);
    const auto text = [](const nlohmann::json& object, const char* name) {
      return object.value(name, std::string());
    };
    const auto expired = [&](const std::string& time) {
      const auto ends = protocol::parse_utc_time(time);
      return ends && *ends < now_ms_;
    };
    for (const auto& [name, step] : std::map<std::string, std::string>{
             {"log", "repair it: docs/runbooks/backup-and-restore.md"},
             {"erasure", "coprotect-provision hold-erasure (docs/runbooks/rotate-a-key.md)"}})
      if (const auto said = text(report, name.c_str()); said != "ok") fault(name, said, step);
    for (const auto& [name, step] : std::map<std::string, std::string>{
             {"store", "let the agent hear another agent of its keys after its start"},
             {"recovery", "docs/runbooks/recovery-code.md"}})
      if (const auto said = text(report, name.c_str()); said != "ok") note(name, said, step);
    for (const auto& tenant : report["tenants"])
      if (const auto ends = text(tenant, "client_ca_ends"); expired(ends))
        fault("client CA of tenant \"" + text(tenant, "tenant") + "\"", "it expired on " + ends,
              "have the tenant make new keys: docs/runbooks/rotate-a-key.md");
  }

  // Through the relay, as the agent asks them: an empty question, which a peer refuses and does not record.
  void check_peers(const Config& config, custodian::Custodian& custodian) {
    const auto questions = custodian.peers().ask();
    if (!questions) return fault("peers", questions.error().message(), "run this again");
    if (questions->empty()) return;
    std::mutex mutex;
    std::condition_variable came;
    std::map<std::uint64_t, std::optional<Error>> answers;
    const auto relay = start_relay(programs_ / "coprotect-relay", [&](const ipc::Forwarded& answer) {
      const std::lock_guard lock(mutex);
      answers.insert_or_assign(answer.id, answer.error);
      came.notify_all();
    });
    if (!relay) return fault("coprotect-relay", relay.error().message(), "install the whole package");
    ipc::Channel& channel = *(*relay)->channel();
    if (!send_tls_files(channel, config.tls)) return;  // check_tls() said why
    for (std::size_t i = 0; i < questions->size(); ++i) {
      const auto& peer = (*questions)[i];
      const ipc::Forward forward{.id = i,
                                 .route = ipc::PeerRoute::peer_state,
                                 .url = peer.url,
                                 .identity_certificate = peer.identity_certificate,
                                 .key_id = {},
                                 .budget_ms = kPeerBudgetMs,
                                 .body = {}};
      static_cast<void>(channel.send(forward.encode()));
    }
    std::unique_lock lock(mutex);
    came.wait_for(lock, std::chrono::milliseconds(2 * kPeerBudgetMs),
                  [&] { return answers.size() == questions->size(); });
    for (std::size_t i = 0; i < questions->size(); ++i) {
      const auto& peer = (*questions)[i];
      const auto answer = answers.find(i);
      const bool heard = answer != answers.end();
      if (heard && (!answer->second || answer->second->code() == Code::malformed)) continue;
      fault("agent \"" + peer.name + "\" at " + peer.url,
            heard ? std::string(code_name(answer->second->code())) + ": " + answer->second->message()
                  : std::string("the relay gave no answer"),
            "start that agent, or mend the network between the two; this agent starts without it");
    }
  }

  const path file_;
  const path programs_;
  const std::int64_t now_ms_;
  std::vector<Finding> found_;
};

}  // namespace

std::string Finding::line() const {
  return printable(is_fault ? "fault: " + object + ": " + cause + "; to mend it: " + step
                            : "note: " + object + ": " + cause + "; " + step);
}

std::vector<Finding> check(const path& config_file, const path& programs, std::int64_t now_ms) {
  return Check(config_file, programs, now_ms).run();
}

}  // namespace coprotect::agent
