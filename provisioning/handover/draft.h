#pragma once

#include <string>

#include "provisioning/handover/handover.h"

namespace coprotect::provisioning {

// The parties of the next epoch, as an order has them before anybody has made an offer: what people judge.
// Nonces and ceremony keys stand in for those that the offers bring.
Result<protocol::Parameters> draft(const protocol::Bundle& now, const HandoverOrder& order, Random& random);

// Code::denied, with the sentence that allows it, if the parties of the next epoch let organisations use the
// key that cannot use it today, unless `allowed` is that sentence.
Status check_quorums(const protocol::Bundle& now, const protocol::Parameters& next,
                     const std::string& allowed);

}  // namespace coprotect::provisioning
