/* A folder of the test program's own, below $TMPDIR or /tmp, for the files that it writes. */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

/* Makes the folder: a group's set-up for cmocka, or called by one with NULL. 0 where it is there.
 */
int scratch_make(void **state);

/* Copies what is in the folder `from` into it, for the test to change. 0 where that went well. */
int scratch_fill(const char *from);

/* Removes it with all that is in it: a group's tear-down. */
int scratch_remove(void **state);

/* The same, but fails where something is in it: a test has left a file, or limn half of one. */
int scratch_remove_empty(void **state);

/* The folder's path. */
const char *scratch_folder(void);

/* The path of a file in it; good for the next seven calls. */
const char *scratch_at(const char *name);

#endif
