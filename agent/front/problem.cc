#include "agent/front/problem.h"

#include <nlohmann/json.hpp>

namespace coprotect::agent::front {
namespace {

std::string_view title_of(Code code) {
  switch (code) {
    case Code::malformed:
      return "the request is not of the form that it has to be";
    case Code::unauthenticated:
      return "the client is not who it claims to be";
    case Code::denied:
      return "the client may not do this";
    case Code::replayed:
      return "the request was answered before";
    case Code::stale:
      return "the request's time is too far from the agent's";
    case Code::not_found:
      return "there is no such thing here";
    case Code::conflict:
      return "the request does not suit the present state";
    case Code::altered:
      return "something is not what its author wrote";
    case Code::bad_proof:
      return "a cryptographic proof does not hold";
    case Code::wrong_code:
      return "the code is wrong";
    case Code::locked_out:
      return "the token refuses further tries for now";
    case Code::limited:
      return "a limit is reached";
    case Code::unavailable:
      return "a part that is needed does not answer";
    case Code::internal:
      return "the agent has a defect";
  }
  return "the agent has a defect";
}

}  // namespace

unsigned http_status(Code code) {
  switch (code) {
    case Code::malformed:
      return 400;
    case Code::unauthenticated:
      return 401;
    case Code::denied:
      return 403;
    case Code::not_found:
      return 404;
    case Code::replayed:
    case Code::stale:
    case Code::conflict:
      return 409;
    case Code::altered:
    case Code::bad_proof:
    case Code::wrong_code:
      return 422;
    case Code::locked_out:
    case Code::limited:
      return 429;
    case Code::internal:
      return 500;
    case Code::unavailable:
      return 503;
  }
  return 500;
}

std::string problem_json(const Error& error, unsigned status, std::string_view request_id) {
  const nlohmann::ordered_json document = {
      {"type", "urn:coprotect:error:" + std::string(code_name(error.code()))},
      {"title", title_of(error.code())},
      {"status", status},
      {"detail", error.message()},
      {"code", code_name(error.code())},
      {"request_id", request_id},
  };
  // A message may quote untrusted bytes that are not UTF-8.
  return document.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace coprotect::agent::front
