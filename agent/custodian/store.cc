#include "agent/custodian/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <cstring>
#include <thread>

#include "agent/custodian/schema.h"
#include "protocol/file/utc_time.h"

namespace coprotect::agent::custodian {
namespace {

// secure_delete: the sealed share of an aborted ceremony must not stay in free pages.
constexpr const char* kSettings =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;";
constexpr int kBusyTimeoutMs = 5'000;

using Database = Owned<sqlite3, sqlite3_close_v2>;

// Who asks whether an agent runs has the lock for a moment (hsm/store_in_use.h).
bool lock_exclusively(int fd) {
  constexpr int kTries = 20;
  for (int tries = 1; flock(fd, LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (tries == kTries) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// A name as a part of a URI (https://www.sqlite.org/uri.html).
std::string escaped(const std::filesystem::path& file) {
  std::string text;
  for (const char c : file.string()) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("/._-", c) != nullptr)
      text += c;
    else
      text += "%" + to_hex(bytes_of(std::string_view(&c, 1)));
  }
  return text;
}

// A WAL store that nobody uses has no journal, and SQLite would make one beside it to read it.
Result<Database> open_for_reading(const std::filesystem::path& file) {
  const bool at_rest = !std::filesystem::exists(file.string() + "-wal");
  const std::string uri =
      "file:" + escaped(std::filesystem::absolute(file)) + "?mode=ro" + (at_rest ? "&immutable=1" : "");
  Database database;
  const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(uri.c_str(), out(database), flags, nullptr) != SQLITE_OK)
    return Error(Code::unavailable, "cannot open store \"" + file.string() + "\"");
  sqlite3_busy_timeout(database.get(), kBusyTimeoutMs);
  if (auto hard = harden(database.get()); !hard) return std::move(hard).error();
  return database;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::copy(const std::filesystem::path& file) {
  Database database;
  if (sqlite3_open_v2(":memory:", out(database), SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) !=
      SQLITE_OK)
    return Error(Code::unavailable, "store: cannot open a database in memory");
  struct stat about {};
  const bool exists = lstat(file.c_str(), &about) == 0;
  if (exists && !S_ISREG(about.st_mode))
    return Error(Code::altered, "store \"" + file.string() + "\" is not a regular file");
  if (exists) {
    const auto source = open_for_reading(file);
    if (!source) return source.error();
    sqlite3_backup* const copying = sqlite3_backup_init(database.get(), "main", source->get(), "main");
    const int copied = copying == nullptr ? SQLITE_ERROR : sqlite3_backup_step(copying, -1);
    sqlite3_backup_finish(copying);
    if (copied != SQLITE_DONE)
      return Error(copied == SQLITE_NOTADB || copied == SQLITE_CORRUPT ? Code::altered : Code::unavailable,
                   "cannot read store \"" + file.string() + "\": " + sqlite3_errstr(copied));
  }
  auto store = std::unique_ptr<Store>(new Store(-1, std::move(database)));
  if (auto hard = harden(store->database_.get()); !hard) return std::move(hard).error();
  if (auto sound = store->bring_up_to_date(file); !sound) return std::move(sound).error();
  return store;
}

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& file) {
  // The lock excludes a second agent, whose view of the log's end would differ. SQLite gives its files the
  // database's mode.
  const std::string lock_name = file.string() + ".lock";
  const int lock = ::open(lock_name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return Error(Code::unavailable, "cannot open \"" + lock_name + "\"");
  if (!lock_exclusively(lock)) {
    close(lock);
    return Error(Code::conflict, "store \"" + file.string() + "\": in use by another agent");
  }
  const int created = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (created >= 0) close(created);

  Database database;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int opened = sqlite3_open_v2(file.c_str(), out(database), flags, nullptr);
  auto store = std::unique_ptr<Store>(new Store(lock, std::move(database)));
  if (opened != SQLITE_OK) return Error(Code::unavailable, "cannot open store \"" + file.string() + "\"");
  sqlite3_busy_timeout(store->database_.get(), kBusyTimeoutMs);
  if (auto hard = harden(store->database_.get()); !hard) return std::move(hard).error();
  if (auto set = store->execute(kSettings); !set) return std::move(set).error();
  if (auto sound = store->bring_up_to_date(file); !sound) return std::move(sound).error();
  return store;
}

Status Store::bring_up_to_date(const std::filesystem::path& file) {
  auto sound = custodian::bring_up_to_date(database_.get());
  if (sound) sound = check_pages();
  return sound ? sound : Status(std::move(sound).error().in("\"" + file.string() + "\""));
}

Store::~Store() {
  statements_.clear();
  database_.reset();
  if (lock_file_ >= 0) close(lock_file_);
}

// Checks that the indices agree with their tables, and that no page belongs to two of them.
Status Store::check_pages() {
  Query query(database_.get(), statement("PRAGMA integrity_check(1)"));
  const auto row = query.step();
  if (!row) return row.error();
  if (const std::string found = query.text(0); found != "ok")
    return Error(Code::altered, "store: it is damaged: " + found);
  return Done{};
}

Status Store::execute(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return sqlite_error(database_.get(), "run a statement");
  return Done{};
}

Result<std::int64_t> Store::integer_pragma(const char* sql) {
  Query query(database_.get(), statement(sql));
  const auto row = query.step();
  if (!row) return row.error();
  return query.integer(0);
}

Status Store::checkpoint() {
  const std::lock_guard lock(mutex_);
  // The statement succeeds even if it could not checkpoint: its first column says so.
  const auto busy = integer_pragma("PRAGMA wal_checkpoint(TRUNCATE)");
  if (!busy) return busy.error();
  if (*busy != 0)
    return Error(Code::unavailable,
                 "the store's journal cannot be emptied while another program, such as a backup, reads it");
  return Done{};
}

void Store::limit_pages(std::int64_t pages) {
  const std::lock_guard lock(mutex_);
  static_cast<void>(execute("VACUUM"));  // otherwise free pages would be filled first
  static_cast<void>(execute(("PRAGMA max_page_count=" + std::to_string(pages)).c_str()));
}

sqlite3_stmt* Store::statement(const char* sql) {
  if (const auto known = statements_.find(sql); known != statements_.end()) return known->second.get();
  Statement prepared;
  if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, out(prepared), nullptr) !=
      SQLITE_OK)
    return nullptr;
  return statements_.emplace(sql, std::move(prepared)).first->second.get();
}

std::optional<std::vector<Store::FileId>> Store::file_ids() const {
  std::vector<FileId> ids;
  const std::string main = sqlite3_db_filename(database_.get(), "main");
  for (const std::string& name : {main, main + "-wal", main + "-shm"}) {
    struct stat about {};
    if (lstat(name.c_str(), &about) != 0) return std::nullopt;
    ids.push_back({about.st_dev, about.st_ino});
  }
  return ids;
}

// SQLite continues with the files that it opened, wherever they are now. What it writes into a renamed or
// removed file is lost.
Status Store::check_files() {
  if (lock_file_ < 0) return Done{};  // a copy in memory
  const Error moved(Code::altered, "store: its files were moved or replaced while the agent ran");
  const auto now = file_ids();
  if (!now) return moved;
  if (!files_) {
    int elsewhere = 1;
    if (sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &elsewhere) != SQLITE_OK ||
        elsewhere != 0)
      return moved;
    files_ = now;
  }
  return *now == *files_ ? Status(Done{}) : moved;
}

// SQLite rereads the schema whenever its version has changed. Nobody can change it within the transaction.
Status Store::check_unaltered() {
  if (auto there = check_files(); !there) return there;
  const auto version = integer_pragma("PRAGMA schema_version");
  if (!version) return version.error();
  if (schema_version_ == *version) return Done{};
  if (auto own = check_schema(database_.get()); !own) return own;
  schema_version_ = *version;
  return Done{};
}

std::optional<std::string> Store::write_failure() const {
  const std::lock_guard lock(failure_mutex_);
  return write_failure_.empty() ? std::nullopt : std::optional(write_failure_);
}

void Store::note_write(bool written) {
  const int code = sqlite3_errcode(database_.get()) & 0xff;
  const bool disk = code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_READONLY ||
                    code == SQLITE_CANTOPEN || code == SQLITE_NOMEM;
  const std::lock_guard lock(failure_mutex_);
  if (written && sqlite3_total_changes64(database_.get()) != changes_) write_failure_.clear();
  if (written || !disk || !write_failure_.empty()) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  write_failure_ = "nothing can be written since " + protocol::format_utc_time(ms) + ": " +
                   sqlite3_errmsg(database_.get());
}

Result<Transaction> Store::begin() {
  std::unique_lock lock(mutex_);
  if (problem_) return *problem_;
  if (auto begun = execute("BEGIN IMMEDIATE"); !begun) {
    note_write(false);
    return std::move(begun).error();
  }
  changes_ = sqlite3_total_changes64(database_.get());
  Transaction transaction(*this, std::move(lock), ++transactions_);
  if (auto same = check_unaltered(); !same) {
    if (same.error().code() == Code::altered) return transaction.found_altered(same.error());
    return std::move(same).error();
  }
  return transaction;
}

std::optional<Error> Store::problem() {
  const std::lock_guard lock(mutex_);
  return problem_;
}

Query Transaction::query(const char* sql) {
  return {store_->database_.get(), store_->statement(sql)};
}

void Transaction::read_from_disk() {
  sqlite3_db_release_memory(store_->database_.get());
}

RowList& Transaction::rows() {
  return store_->rows_;
}

Error Transaction::found_altered(const Error& how) {
  store_->problem_ = Error(Code::unavailable, how.message() + "; stop it and find out who did that");
  return *store_->problem_;
}

Status Transaction::commit() {
  if (store_->problem_) return *store_->problem_;
  if (store_->seal_ && (renew_seal_ || store_->rows_.changed()))
    if (auto sealed = store_->seal_(*this); !sealed) return sealed;
  if (auto committed = store_->execute("COMMIT"); !committed)
    return committed;  // noted when it is rolled back
  store_->note_write(true);
  store_->rows_.keep();
  for (const auto& effect : effects_) effect();
  lock_.unlock();
  return Done{};
}

Transaction::~Transaction() {
  if (!lock_.owns_lock()) return;
  store_->note_write(false);
  store_->rows_.roll_back();
  // A failed COMMIT may already have rolled back; then there is nothing to do.
  if (sqlite3_get_autocommit(store_->database_.get()) == 0) static_cast<void>(store_->execute("ROLLBACK"));
}

}  // namespace coprotect::agent::custodian
