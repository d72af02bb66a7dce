#!/bin/bash
# The tool, driven as a user drives it: tests/tool/run.sh [LIMN], at the top of the tree; else the
# program is $LIMN, else ./limn. Every file of tests beside this one runs in a folder of its own.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/checks.sh
. tests/tool/words.sh
top=$PWD
LIMN=$(realpath "${1:-${LIMN:-./limn}}")
T=$(mktemp -d)
trap 'chmod -R u+w "$T"; rm -rf "$T"' EXIT
unset NO_COLOR LIMN_ISA POSIXLY_CORRECT
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
export LC_ALL=C.UTF-8 TERM=xterm
# Random weights, but the smallest model there is: the pictures are noise, and quick.
export LIMN_MODEL=$top/tests/golden/tiny-sd15
for file in "$top"/tests/tool/test_*.sh; do
    name=$(basename "$file" .sh)
    echo "# $name"
    mkdir "$T/$name"
    cd "$T/$name" || exit 1
    # shellcheck source=/dev/null
    . "$file"
done
cd "$top" || exit 1
finish
