#pragma once

#include <microhttpd.h>

#include <chrono>
#include <optional>
#include <string>

#include "agent/front/budgets.h"
#include "agent/front/routes.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

// Why the front answers a request itself.
struct Refusal {
  Error error;
  unsigned status;
  std::string_view allow{};      // the methods of the path, if that is what is wrong
  std::chrono::seconds later{};  // Retry-After, if it is not zero
  bool close = false;            // whether the connection ends with the answer
};

// One request of a connection, while libmicrohttpd works on it.
struct Request {
  ipc::Route route;
  std::string subject;
  Bytes body{};
  std::optional<Holder> holder{};     // whose budget it is on, if it is on one
  std::size_t held{};                 // bytes that the budget was charged with
  std::optional<Refusal> refusal{};   // told when the body has ended
  std::optional<ipc::Reply> reply{};  // set before the connection is resumed
};

// Queue an answer of this connection's request.
MHD_Result answer(MHD_Connection* connection, ipc::Route route, ipc::Reply reply);
MHD_Result answer(MHD_Connection* connection, const Refusal& refusal);

// The same, as bytes for a connection that then ends, for a request that libmicrohttpd does not know of.
std::string whole_answer(const Refusal& refusal);

}  // namespace coprotect::agent::front
