#pragma once

#include <string>

#include "provisioning/handover/handover.h"

namespace coprotect::provisioning {

// The parties of the next epoch as an order defines them, before any offer. People judge this. Nonces and
// ceremony keys are placeholders for those in the offers.
Result<protocol::Parameters> draft(const protocol::Bundle& now, const HandoverOrder& order, Random& random);

// Code::denied, with the sentence that allows it, if the next epoch lets organisations use the key that
// cannot use it today and `allowed` is not that sentence.
Status check_quorums(const protocol::Bundle& now, const protocol::Parameters& next,
                     const std::string& allowed);

}  // namespace coprotect::provisioning
