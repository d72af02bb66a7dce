/* The version, as text. */
#include "limn.h"

/* The library's version, from its header's numbers. */
#define TEXT_(a) #a
#define TEXT(a)  TEXT_(a)
const char *limn_version(void) {
    return TEXT(LIMN_VERSION_MAJOR) "." TEXT(LIMN_VERSION_MINOR) "." TEXT(LIMN_VERSION_PATCH);
}
