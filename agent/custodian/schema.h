#pragma once

#include <sqlite3.h>

#include "protocol/base/result.h"

// The schema of the store. Whoever can write the file can write its schema as well: a trigger, a view, a
// generated column, a constraint with ON CONFLICT IGNORE would each change what this program's statements do.
// So the schema is never taken as it is found.
namespace coprotect::agent::custodian {

// Turns off what a hostile schema could use: triggers, views, functions, extensions. To be called before the
// first statement.
Status harden(sqlite3* database);
// Makes or updates the tables. Code::altered if they are not exactly those of their version, before or after;
// Code::conflict if a newer program made them.
Status bring_up_to_date(sqlite3* database);
// Code::altered, with the name of the first difference, if there is any table, index, trigger or view that
// this program did not make, or one is missing or was changed.
Status check_schema(sqlite3* database);

}  // namespace coprotect::agent::custodian
