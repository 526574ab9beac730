#!/bin/sh
# Fails if a folder includes a header of a folder that it may not depend on. Tests (*_test.cc, test_*, testing/) may also
# use swtpm-tests/harness/, which includes nothing but protocol/. agent/relay/ is a client of other agents
# (docs/decisions/0011).
set -eu
cd "$1"

check() {  # check FOLDER ALLOWED...
  folder=$1
  shift
  [ -d "$folder" ] || return 0
  allowed=$(printf '%s|' "$folder" "$@")
  allowed=${allowed%|}
  bad=$(grep -rnE '#include "(protocol|hsm|agent|client|provisioning|swtpm-tests)/' "$folder" |
        grep -vE "#include \"($allowed)/" |
        grep -vE '^[^:]*(_test\.cc|/test_[^/:]*|/testing/[^:]*):[0-9]+:#include "swtpm-tests/harness/' |
        grep -vE '^agent/relay/[^:]*:[0-9]+:#include "client/agent_client\.h"' || true)
  if [ -n "$bad" ]; then
    echo "an include that goes against the direction of dependence (docs/ARCHITECTURE.md):"
    echo "$bad"
    exit 1
  fi
}

check protocol
check hsm protocol
check client protocol
# These three live inside other people's programs.
check client/keyclient protocol/base
check client/pkcs11 protocol/base client/keyclient
check client/provider protocol/base client/keyclient
check agent protocol hsm
check provisioning protocol hsm client
check swtpm-tests/harness protocol
