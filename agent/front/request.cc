#include "agent/front/request.h"

#include <memory>

#include "agent/front/exchange.h"
#include "agent/front/problem.h"
#include "protocol/base/owned.h"

namespace coprotect::agent::front {
namespace {

using Response = Owned<MHD_Response, MHD_destroy_response>;

constexpr const char* kRequestIdHeader = "X-Request-Id";

// A response that owns its body and goes without a copy of it.
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

MHD_Result problem(MHD_Connection* connection, const Error& error, unsigned status,
                   const std::string& request_id, std::string_view allow) {
  const Response response = make_response(problem_json(error, status, request_id));
  if (response != nullptr && !allow.empty())
    MHD_add_response_header(response.get(), MHD_HTTP_HEADER_ALLOW, std::string(allow).c_str());
  return queue(connection, response, status, "application/problem+json", request_id);
}

}  // namespace

MHD_Result answer(MHD_Connection* connection, ipc::Route route, ipc::Reply reply) {
  if (reply.error)
    return problem(connection, *reply.error, http_status(reply.error->code()), reply.request_id, {});
  const char* const type = route == ipc::Route::health ? "application/json" : "application/octet-stream";
  return queue(connection, make_response(std::move(reply.body)), MHD_HTTP_OK, type, reply.request_id);
}

MHD_Result answer(MHD_Connection* connection, const Refusal& refusal) {
  return problem(connection, refusal.error, refusal.status, make_request_id(), refusal.allow);
}

}  // namespace coprotect::agent::front
