#include "agent/front/test_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

namespace coprotect::agent::front {
namespace {

using Easy = Owned<CURL, curl_easy_cleanup>;
using List = Owned<curl_slist, curl_slist_free_all>;
using Clock = std::chrono::steady_clock;

std::size_t append(char* data, std::size_t size, std::size_t count, void* to) {
  static_cast<std::string*>(to)->append(data, size * count);
  return size * count;
}

std::size_t note_header(char* data, std::size_t size, std::size_t count, void* to) {
  const std::string_view line(data, size * count);
  const std::size_t colon = line.find(": ");
  if (colon != std::string_view::npos) {
    std::string name(line.substr(0, colon));
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    (*static_cast<std::map<std::string, std::string>*>(to))[name] =
        line.substr(colon + 2, line.size() - colon - 4);
  }
  return size * count;
}

void set_blob(CURL* easy, CURLoption option, ByteView content) {
  curl_blob blob{const_cast<std::uint8_t*>(content.data()), content.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

}  // namespace

struct HttpClient::State {
  Easy easy{curl_easy_init()};
  List headers;
  std::uint16_t port;
};

HttpClient::HttpClient(Target target, const Identity* identity) : state_(std::make_unique<State>()) {
  CURL* const easy = state_->easy.get();
  state_->port = target.port;
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, 60L);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &note_header);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  set_blob(easy, CURLOPT_CAINFO_BLOB, bytes_of(target.authority->pem()));
  if (identity == nullptr) return;
  curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
  curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
  set_blob(easy, CURLOPT_SSLCERT_BLOB, bytes_of(identity->certificate.pem()));
  set_blob(easy, CURLOPT_SSLKEY_BLOB, identity->key.to_pem().reveal());
}

HttpClient::~HttpClient() = default;

void HttpClient::header(const std::string& line) {
  curl_slist* const longer = curl_slist_append(state_->headers.get(), line.c_str());
  (void)state_->headers.release();
  state_->headers.reset(longer);
}

void HttpClient::only_tls12() {
  // The minimum version in the lower half, the maximum in the upper; CURL_SSLVERSION_MAX_TLSv1_2 makes g++
  // warn.
  const long version = CURL_SSLVERSION_TLSv1_2;
  curl_easy_setopt(state_->easy.get(), CURLOPT_SSLVERSION, version | version << 16);
}

Answer HttpClient::run(const std::string& method, const std::string& path, std::optional<std::string> body) {
  CURL* const easy = state_->easy.get();
  Answer answer;
  const std::string url = "https://127.0.0.1:" + std::to_string(state_->port) + path;
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  if (body) {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data());
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, state_->headers.get());
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &answer.headers);
  curl_easy_perform(easy);
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<unsigned>(status);
  long made = 0;
  curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &made);
  connections_ += made;
  return answer;
}

Fd RawClient::connect_plain(std::uint16_t port, std::uint32_t from) {
  return connect_plain(port, from, 0);
}

Fd RawClient::begin_connection(std::uint16_t port, std::uint32_t from) {
  return connect_plain(port, from, SOCK_NONBLOCK);
}

Fd RawClient::connect_plain(std::uint16_t port, std::uint32_t from, int flags) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(from);
  const int late = 1;  // the port is chosen when it connects
  setsockopt(socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return Fd();
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS)
    return Fd();
  return socket;
}

std::optional<RawClient> RawClient::connect(Target target, const Identity& identity) {
  Fd socket = connect_plain(target.port);
  Context context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_use_certificate(context.get(), identity.certificate.x509());
  SSL_CTX_use_PrivateKey(context.get(), identity.key.evp());
  Session session(SSL_new(context.get()));
  SSL_set_fd(session.get(), socket.get());
  if (!socket || SSL_connect(session.get()) != 1) return std::nullopt;
  return RawClient(std::move(socket), std::move(context), std::move(session));
}

bool RawClient::send(std::string_view text) {
  return SSL_write(session_.get(), text.data(), static_cast<int>(text.size())) ==
         static_cast<int>(text.size());
}

std::string RawClient::receive(std::chrono::milliseconds limit, std::string_view last) {
  std::string received;
  const auto end = Clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd event{socket_.get(), POLLIN, 0};
    if (SSL_pending(session_.get()) == 0 && (left <= 0 || poll(&event, 1, static_cast<int>(left)) != 1))
      return received;
    char part[4096];
    const int n = SSL_read(session_.get(), part, sizeof part);
    if (n <= 0) return received;
    received.append(part, static_cast<std::size_t>(n));
    if (!last.empty() && received.find(last) != std::string::npos) return received;
  }
}

bool RawClient::closed_within(std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  receive(limit);
  return Clock::now() < end;
}

}  // namespace coprotect::agent::front
