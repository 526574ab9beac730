#include "agent/front/request.h"

#include <memory>

#include "agent/front/exchange.h"
#include "agent/front/problem.h"
#include "protocol/base/owned.h"

namespace coprotect::agent::front {
namespace {

using Response = Owned<MHD_Response, MHD_destroy_response>;

constexpr const char* kRequestIdHeader = "X-Request-Id";
constexpr const char* kProblemType = "application/problem+json";

// A response that takes over its body without copying it.
template <typename Body>
Response make_response(Body body) {
  auto owned = std::make_unique<Body>(std::move(body));
  Response response(MHD_create_response_from_buffer_with_free_callback_cls(
      owned->size(), owned->data(), [](void* p) { delete static_cast<Body*>(p); }, owned.get()));
  if (response != nullptr) (void)owned.release();
  return response;
}

MHD_Result queue(MHD_Connection* connection, const Response& response, unsigned status, const char* type,
                 const std::string& request_id) {
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE, type);
  MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(response.get(), kRequestIdHeader, request_id.c_str());
  return MHD_queue_response(connection, status, response.get());
}

MHD_Result problem(MHD_Connection* connection, const Refusal& refusal, const std::string& request_id) {
  const Response response = make_response(problem_json(refusal.error, refusal.status, request_id));
  if (response == nullptr) return MHD_NO;
  const auto add = [&response](const char* name, const std::string& value) {
    MHD_add_response_header(response.get(), name, value.c_str());
  };
  if (!refusal.allow.empty()) add(MHD_HTTP_HEADER_ALLOW, std::string(refusal.allow));
  if (refusal.later.count() != 0) add(MHD_HTTP_HEADER_RETRY_AFTER, std::to_string(refusal.later.count()));
  if (refusal.close) add(MHD_HTTP_HEADER_CONNECTION, "close");
  return queue(connection, response, refusal.status, kProblemType, request_id);
}

}  // namespace

MHD_Result answer(MHD_Connection* connection, ipc::Route route, ipc::Reply reply) {
  if (reply.error)
    return problem(connection,
                   {.error = *reply.error,
                    .status = http_status(reply.error->code()),
                    .later = std::chrono::seconds(reply.retry_after_seconds)},
                   reply.request_id);
  const char* const type = route == ipc::Route::health ? "application/json" : "application/octet-stream";
  return queue(connection, make_response(std::move(reply.body)), MHD_HTTP_OK, type, reply.request_id);
}

std::string whole_answer(const Refusal& refusal) {
  const std::string id = make_request_id();
  const std::string body = problem_json(refusal.error, refusal.status, id);
  return "HTTP/1.1 " + std::to_string(refusal.status) + " " + MHD_get_reason_phrase_for(refusal.status) +
         "\r\nConnection: close\r\nContent-Type: " + kProblemType + "\r\nCache-Control: no-store\r\n" +
         kRequestIdHeader + ": " + id + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

MHD_Result answer(MHD_Connection* connection, const Refusal& refusal) {
  return problem(connection, refusal, make_request_id());
}

}  // namespace coprotect::agent::front
