#!/bin/sh
# Says, in one line to paste, what this machine lacks for `make setup`: Python 3.11+ with venv, a C compiler and libgmp's headers
# (libp2p depends on fastecdsa 2.3.2, which exists only as source).
python=${PYTHON:-python3}
missing=""
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    { echo "swarm needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1). Try: make PYTHON=python3.12" >&2; exit 1; }
"$python" -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
    missing="$missing python3-dev"
if command -v gcc >/dev/null 2>&1; then
    echo '#include <gmp.h>' | gcc -E - >/dev/null 2>&1 || missing="$missing libgmp-dev"
else
    missing="$missing gcc libc6-dev libgmp-dev"
fi
[ -z "$missing" ] && exit 0
echo "swarm's set-up needs a few system packages that are not here. On Debian or Ubuntu run:" >&2
echo "    sudo apt-get update && sudo apt-get install -y$missing" >&2
exit 1
