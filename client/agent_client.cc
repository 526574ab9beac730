#include "client/agent_client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "client/own_certificate.h"
#include "client/problem.h"
#include "protocol/base/fd.h"
#include "protocol/base/owned.h"

namespace coprotect::client {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxAnswer = std::size_t{9} << 20;
// The maximum number of consecutive handshakes that end without an answer: an agent that is short of
// connection slots drops the oldest ones.
constexpr int kMostHandshakes = 3;
constexpr milliseconds kLeastPause(100);

using Curl = Owned<CURL, curl_easy_cleanup>;
using Headers = Owned<curl_slist, curl_slist_free_all>;
// The stack only borrows its certificates.
void free_stack(STACK_OF(X509) * stack) {
  sk_X509_free(stack);
}
using Stack = Owned<STACK_OF(X509), free_stack>;

Curl new_handle() {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  invariant(global == CURLE_OK);
  Curl handle(curl_easy_init());
  invariant(handle != nullptr);
  return handle;
}

// Options come from constants and from values that this file made. A failure is a defect.
template <typename T>
void set(const Curl& curl, CURLoption option, T value) {
  invariant(curl_easy_setopt(curl.get(), option, value) == CURLE_OK);
}

// "https://host:port/" as "host:port".
std::string address_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  return std::string(url.substr(0, url.find('/')));
}

// The resource that this process lacks, if a request failed because of that. Otherwise null. libcurl reports
// such a failure in a different way for each thing that it opens.
const char* lacks(const Curl& curl) {
  long cause = 0;
  static_cast<void>(curl_easy_getinfo(curl.get(), CURLINFO_OS_ERRNO, &cause));
  if (cause != EMFILE && cause != ENFILE)
    if (const Fd probe(open("/dev/null", O_RDONLY | O_CLOEXEC)); !probe) cause = errno;
  if (cause == EMFILE) return "this program has too many open files (ulimit -n)";
  if (cause == ENFILE) return "this machine has too many open files";
  return nullptr;
}

std::int64_t system_time_ms() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(since).count();
}

// A random pause between this time and 1.5 times it, so that clients that were refused together do not return
// together.
milliseconds with_jitter(milliseconds time) {
  std::uint16_t random = 0;
  invariant(RAND_bytes(reinterpret_cast<unsigned char*>(&random), sizeof random) == 1);
  return time + time * random / (2 * 65'536);
}

int state_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  invariant(index >= 0);
  return index;
}

}  // namespace

struct AgentClient::State {
  Endpoint endpoint;
  ClientCredentials credentials;
  std::chrono::milliseconds deadline;
  std::string anchor;  // PEM of the identity certificate
  Curl curl = new_handle();

  // State of the present call.
  Bytes answer;
  bool too_long = false;
  bool tls_alert = false;  // one side rejected the other in TLS
  bool tls_ended = false;  // by an alert of any kind
  int refusal = -1;        // the alert, if the agent rejected the client
  bool was_dropped = false;
  std::stop_token stop = {};

  // `problem` reads an answer that is not 2xx.
  Result<Bytes> call(const char* method, std::string_view path, const ByteView* body,
                     Error (*problem)(long status, ByteView body) = read_problem);
  // One attempt, and how long to wait before another one can help. No pause if none can.
  struct Try {
    Result<Bytes> answer;
    std::optional<milliseconds> pause{};
  };
  Try attempt(const char* method, std::string_view path, const ByteView* body,
              Error (*problem)(long status, ByteView body), milliseconds left);
  std::optional<milliseconds> asked_to_wait(long status) const;
  // False if the caller no longer waits.
  bool sleep(milliseconds pause) const;
  const protocol::Certificate* own_certificate() const {
    return credentials.chain.empty() ? nullptr : &credentials.chain.front();
  }
  void configure(const std::string& url, std::array<char, CURL_ERROR_SIZE>& reason, milliseconds left);
  // Whether the agent ended the connection before the TLS handshake was complete, without an alert.
  bool dropped(CURLcode code) const;
  // Whether it ended a new connection, whose handshake was complete on this side, without an answer.
  bool ended_unanswered(CURLcode code) const;
  Error failure(CURLcode code, std::string reason) const;
  Error named(Error error) const {
    if (endpoint.party.empty()) return error;
    return std::move(error).in(endpoint.party + " agent \"" + address_of(endpoint.url) + "\"");
  }

  // Callbacks of libcurl and OpenSSL.
  static std::size_t receive(char* data, std::size_t, std::size_t size, void* self);
  static int stop_waiting(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  static CURLcode prepare_tls(CURL*, void* ssl_ctx, void* self);
  static void watch_tls(const SSL* ssl, int where, int value);
};

std::size_t AgentClient::State::receive(char* data, std::size_t, std::size_t size, void* self) {
  auto& state = *static_cast<State*>(self);
  state.too_long = size > kMaxAnswer - state.answer.size();
  if (state.too_long) return 0;
  try {
    state.answer.insert(state.answer.end(), data, data + size);
  } catch (const std::bad_alloc&) {
    return 0;  // no exception passes through libcurl
  }
  return size;
}

int AgentClient::State::stop_waiting(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const State*>(self)->stop.stop_requested() ? 1 : 0;
}

// Passes the client's key object itself. The key is not written anywhere, not even to memory.
CURLcode AgentClient::State::prepare_tls(CURL*, void* ssl_ctx, void* self) {
  auto* const context = static_cast<SSL_CTX*>(ssl_ctx);
  const auto& state = *static_cast<const State*>(self);
  const std::span<const protocol::Certificate> chain = state.credentials.chain;
  const Stack issuers(sk_X509_new_null());
  if (issuers == nullptr) return CURLE_OUT_OF_MEMORY;
  if (!chain.empty()) {
    for (const protocol::Certificate& issuer : chain.subspan(1)) sk_X509_push(issuers.get(), issuer.x509());
    if (SSL_CTX_use_cert_and_key(context, chain.front().x509(), state.credentials.key->evp(), issuers.get(),
                                 1) != 1)
      return CURLE_SSL_CERTPROBLEM;
  }
  SSL_CTX_set_keylog_callback(context, nullptr);  // ignores SSLKEYLOGFILE
  if (SSL_CTX_set_ex_data(context, state_index(), self) != 1) return CURLE_OUT_OF_MEMORY;
  SSL_CTX_set_info_callback(context, watch_tls);
  return CURLE_OK;
}

void AgentClient::State::watch_tls(const SSL* ssl, int where, int value) {
  if ((where & SSL_CB_ALERT) == 0 || value >> 8 != SSL3_AL_FATAL) return;
  auto& state = *static_cast<State*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), state_index()));
  state.tls_ended = true;
  // A side without memory or descriptors sends this alert. It is not a rejection.
  if ((value & 0xff) == SSL_AD_INTERNAL_ERROR) return;
  state.tls_alert = true;
  if ((where & SSL_CB_READ) != 0) state.refusal = value & 0xff;
}

void AgentClient::State::configure(const std::string& url, std::array<char, CURL_ERROR_SIZE>& reason,
                                   milliseconds left) {
  curl_easy_reset(curl.get());  // keeps the connection
  set(curl, CURLOPT_ERRORBUFFER, reason.data());
  set(curl, CURLOPT_URL, url.c_str());
  set(curl, CURLOPT_PROTOCOLS_STR, "https");
  set(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(curl, CURLOPT_FOLLOWLOCATION, 0L);
  set(curl, CURLOPT_PROXY, "");  // no proxy, not even from the environment
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_TIMEOUT_MS,
      static_cast<long>(std::max<std::int64_t>(left.count(), 1)));  // 0 would mean no timeout
  set(curl, CURLOPT_WRITEFUNCTION, receive);
  set(curl, CURLOPT_WRITEDATA, static_cast<void*>(this));
  if (stop.stop_possible()) {
    set(curl, CURLOPT_NOPROGRESS, 0L);
    set(curl, CURLOPT_XFERINFOFUNCTION, stop_waiting);
    set(curl, CURLOPT_XFERINFODATA, static_cast<void*>(this));
  }

  set(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_3) | CURL_SSLVERSION_MAX_TLSv1_3);
  set(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  set(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  // The identity certificate is the only trust anchor. It replaces the system's file, and the system's folder
  // is not used.
  curl_blob blob{.data = anchor.data(), .len = anchor.size(), .flags = CURL_BLOB_NOCOPY};
  set(curl, CURLOPT_CAINFO_BLOB, &blob);
  set(curl, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  set(curl, CURLOPT_SSL_CTX_FUNCTION, prepare_tls);
  set(curl, CURLOPT_SSL_CTX_DATA, static_cast<void*>(this));
}

std::optional<milliseconds> AgentClient::State::asked_to_wait(long status) const {
  if (status != 429 && status != 503) return std::nullopt;
  curl_off_t seconds = 0;  // 0 also if the header is missing; "0" has no meaning here
  invariant(curl_easy_getinfo(curl.get(), CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK);
  if (seconds <= 0) return std::nullopt;
  return std::chrono::seconds(std::min<curl_off_t>(seconds, 86'400));
}

AgentClient::State::Try AgentClient::State::attempt(const char* method, std::string_view path,
                                                    const ByteView* body, Error (*problem)(long, ByteView),
                                                    milliseconds left) {
  answer.clear();
  too_long = false;
  tls_alert = false;
  tls_ended = false;
  refusal = -1;
  was_dropped = false;
  std::array<char, CURL_ERROR_SIZE> reason{};
  configure(endpoint.url + std::string(path), reason, left);
  // Empty Expect: saves a round trip before the body.
  const Headers headers(
      curl_slist_append(curl_slist_append(nullptr, "Content-Type: application/octet-stream"), "Expect:"));
  if (body != nullptr) {
    // With a null pointer libcurl would ask for the body.
    set(curl, CURLOPT_POSTFIELDS, body->empty() ? "" : text_of(*body).data());
    set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    set(curl, CURLOPT_CUSTOMREQUEST, method);
    set(curl, CURLOPT_HTTPHEADER, headers.get());
  }
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) {
    Try failed{.answer = named(failure(code, reason.data()))};
    was_dropped = dropped(code) || ended_unanswered(code);
    if (dropped(code) || (was_dropped && body == nullptr)) failed.pause = kLeastPause;
    return failed;
  }
  long status = 0;
  invariant(curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
  if (status < 200 || status > 299)
    return {.answer = named(problem(status, answer)), .pause = asked_to_wait(status)};
  return {.answer = std::move(answer)};
}

Result<Bytes> AgentClient::State::call(const char* method, std::string_view path, const ByteView* body,
                                       Error (*problem)(long, ByteView)) {
  if (const auto* const own = own_certificate())
    if (auto valid = check_own_dates(*own, system_time_ms()); !valid)
      return Error(valid.error().code(),
                   std::string(code_name(valid.error().code())) + ": " + valid.error().message());
  const Clock::time_point end = Clock::now() + deadline;
  milliseconds left = deadline;
  for (int handshakes = 1;; ++handshakes) {
    Try tried = attempt(method, path, body, problem, left);
    if (tried.answer || !tried.pause) return std::move(tried.answer);
    if (*tried.pause == kLeastPause && handshakes == kMostHandshakes) return std::move(tried.answer);
    const milliseconds pause = with_jitter(*tried.pause);
    left = std::chrono::duration_cast<milliseconds>(end - Clock::now() - pause);
    if (left.count() <= 0) return std::move(tried.answer);
    if (!sleep(pause)) return std::move(tried.answer);
  }
}

bool AgentClient::State::sleep(milliseconds pause) const {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, stop, pause, [] { return false; });
  return !stop.stop_requested();
}

bool AgentClient::State::dropped(CURLcode code) const {
  if (code == CURLE_SSL_CONNECT_ERROR) return !tls_ended;
  if (code != CURLE_COULDNT_CONNECT) return false;
  long cause = 0;  // the connection may be dropped before libcurl sees that it was established
  static_cast<void>(curl_easy_getinfo(curl.get(), CURLINFO_OS_ERRNO, &cause));
  return cause == ECONNRESET || cause == ENOTCONN;
}

bool AgentClient::State::ended_unanswered(CURLcode code) const {
  if (code != CURLE_GOT_NOTHING && code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR) return false;
  long connects = 0;
  long answered = 0;
  invariant(curl_easy_getinfo(curl.get(), CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK);
  invariant(curl_easy_getinfo(curl.get(), CURLINFO_HEADER_SIZE, &answered) == CURLE_OK);
  return !tls_ended && connects > 0 && answered == 0;
}

Error AgentClient::State::failure(CURLcode code, std::string reason) const {
  if (reason.empty()) reason = curl_easy_strerror(code);
  if (code != CURLE_OPERATION_TIMEDOUT)
    if (const char* const lack = lacks(curl)) return {Code::internal, "cannot be asked: "s + lack};
  const auto error = [](Code kind, const std::string& why) {
    return Error(kind, std::string(code_name(kind)) + ": " + why);
  };
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    long verified = X509_V_OK;
    static_cast<void>(curl_easy_getinfo(curl.get(), CURLINFO_SSL_VERIFYRESULT, &verified));
    if (verified == X509_V_ERR_OUT_OF_MEM)
      return error(Code::unavailable, "its certificate cannot be verified: no memory left");
  }
  if (refusal >= 0)
    if (const std::string meaning = meaning_of_alert(refusal, own_certificate()); !meaning.empty())
      return error(Code::unauthenticated, meaning);
  if (tls_alert || code == CURLE_PEER_FAILED_VERIFICATION) return error(Code::unauthenticated, reason);
  switch (code) {
    case CURLE_WRITE_ERROR:
      return error(Code::malformed, "its answer is longer than 9 MiB");
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return error(Code::malformed, "its URL is not an https URL");
    case CURLE_SSL_CERTPROBLEM:
      return error(Code::unauthenticated, "certificate and key do not fit together");
    case CURLE_OPERATION_TIMEDOUT:
      return error(Code::unavailable, "no answer within " + std::to_string(deadline.count()) + " ms");
    case CURLE_ABORTED_BY_CALLBACK:
      return error(Code::unavailable, "not waited for: others answered");
    case CURLE_COULDNT_RESOLVE_HOST:
      return error(Code::unavailable, "its name cannot be resolved");
    case CURLE_COULDNT_CONNECT:
      return error(Code::unavailable, "cannot connect");
    default:
      return error(Code::unavailable, reason);
  }
}

void prepare_agent_clients() {
  static_cast<void>(new_handle());
}

AgentClient::AgentClient(Endpoint endpoint, ClientCredentials credentials, std::chrono::milliseconds deadline)
    : state_(new State{.endpoint = std::move(endpoint),
                       .credentials = std::move(credentials),
                       .deadline = deadline,
                       .anchor = {},
                       .answer = {}}) {
  state_->anchor = state_->endpoint.identity_certificate.pem();
}
AgentClient::AgentClient(AgentClient&&) noexcept = default;
AgentClient& AgentClient::operator=(AgentClient&&) noexcept = default;
AgentClient::~AgentClient() = default;

Result<Bytes> AgentClient::get(std::string_view path) {
  return state_->call("GET", path, nullptr);
}
Result<Bytes> AgentClient::post(std::string_view path, ByteView body) {
  return state_->call("POST", path, &body);
}
Result<Bytes> AgentClient::ask(std::string_view path, ByteView request, const std::stop_token& stop) {
  state_->stop = stop;
  auto answer = state_->call("POST", path, &request, read_unsigned_problem);
  state_->stop = {};
  return answer;
}
Result<Bytes> AgentClient::put(std::string_view path, ByteView body) {
  return state_->call("PUT", path, &body);
}

bool AgentClient::was_dropped() const {
  return state_->was_dropped;
}

void AgentClient::set_deadline(std::chrono::milliseconds deadline) {
  state_->deadline = deadline;
}

const Endpoint& AgentClient::endpoint() const {
  return state_->endpoint;
}

}  // namespace coprotect::client
