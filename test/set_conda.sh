#!/bin/bash
# Puts a conda installation ($CONDA_HOME, else ~/anaconda3) on the paths, for `source`. FasterMask needs no Python; this is
# here for those whose other steps do.
conda_home="${CONDA_HOME:-$HOME/anaconda3}"
export PATH="$conda_home/bin:$PATH"
export LD_LIBRARY_PATH="$conda_home/lib:${LD_LIBRARY_PATH:-}"
