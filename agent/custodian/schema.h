#pragma once

#include <sqlite3.h>

#include "protocol/base/result.h"

// The schema of the store. A process that can write the file can also write its schema. A trigger, a view, a
// generated column or a constraint with ON CONFLICT IGNORE would each change what this program's statements
// do. So the schema is never trusted as found.
namespace coprotect::agent::custodian {

// Disables what a hostile schema could use: triggers, views, functions, extensions. Call before the first
// statement.
Status harden(sqlite3* database);
// Creates or updates the tables. Code::altered if they are not exactly those of their version, before or
// after; Code::conflict if a newer program made them.
Status bring_up_to_date(sqlite3* database);
// Code::altered, naming the first difference, if there is a table, index, trigger or view that this program
// did not make, or one is missing or changed.
Status check_schema(sqlite3* database);

}  // namespace coprotect::agent::custodian
