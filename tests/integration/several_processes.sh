#!/bin/bash
# Processes that train together: two and four as one, evaluation to the last digit, two machines that are two addresses of
# this one, and the launchers people have: torchrun's, mpirun's and Slurm's environment, and torchrun and mpirun themselves
# where they are installed. (Losses of every single step: tests/unit/training/several_ranks_test.cpp.)
# Usage: several_processes.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
source "$source/tests/support/tiny_training.sh"
export FASTERMASK_TIMEOUT=60
unset RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
port=$((12000 + $$ % 2500)) # other tests that run meanwhile have other thousands
next_port() { port=$((port + 1)); }
as_one() { # FOLDER
  same_losses "$work/one" "$1" || fail "$1: the losses must be those of one process"
}

make_tiny_scenes || fail "data synth"
# With a threshold of 0 there is something to evaluate.
found=(MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.0)
train "$work/one" -- "${found[@]}" || fail "one process: $(tail -n 3 "$work/one.log")"
for n in 2 4; do
  next_port
  train "$work/$n" --num-procs $n --master-port $port -- "${found[@]}" || fail "$n processes: $(tail -n 3 "$work/$n.log")"
  as_one "$work/$n"
done
grep -q "communication_time" "$work/2/metrics.json" || fail "metrics.json must say how long the processes waited for each other"
[ -s "$work/2/log.txt.rank1" ] || fail "each rank must have its log file"

# The same weights evaluated by one and by three: the same file of detections, byte for byte, and the same metrics.
evaluate() { # FOLDER [OPTION ...]
  train "$@" --eval-only -- "${found[@]}" MODEL.WEIGHTS "$work/one/model_final.pth"
}
evaluate "$work/by_one" || fail "evaluation: $(tail -n 3 "$work/by_one.log")"
next_port
evaluate "$work/by_three" --num-procs 3 --master-port $port || fail "evaluation by three: $(tail -n 3 "$work/by_three.log")"
results=inference/coco_instances_results.json
[ "$(wc -c <"$work/by_one/$results")" -gt 10000 ] || fail "there must be detections"
cmp "$work/by_one/$results" "$work/by_three/$results" || fail "three processes must find what one does"
numbers() { grep -E "copypaste: [-0-9.,nan]+$|Average (Precision|Recall)" "$1.log" | sed 's/^[^:]*:[^:]*:[^:]*: //'; }
[ "$(numbers "$work/by_one" | wc -l)" -gt 20 ] || fail "the evaluation must print its numbers"
diff <(numbers "$work/by_one") <(numbers "$work/by_three") || fail "three processes must evaluate as one does"

# Two machines, two processes each, without a shared folder.
next_port
machine() { # RANK: 0 or 1
  train "$work/machine$1" --num-machines 2 --machine-rank "$1" --num-procs 2 --dist-url "tcp://127.0.0.1:$port" \
    --local-addr "127.0.0.$((1 + $1))"
}
machine 1 &
machine 0 || fail "machine 0: $(tail -n 3 "$work/machine0.log")"
wait $! || fail "machine 1: $(tail -n 3 "$work/machine1.log")"
as_one "$work/machine0"

# Started by others.
by_hand() { # NAME, names of the variables for rank, number of ranks and local rank [VARIABLE=VALUE ...]
  local name="$1" rank="$2" world="$3" local_rank="$4" r pids=()
  shift 4
  next_port
  for r in 0 1; do
    (
      # shellcheck disable=SC2163  # VARIABLE=VALUE words
      export "$rank=$r" "$world=2" "$local_rank=$r" "$@"
      train "$work/$name$r" --master-port $port
    ) &
    pids+=($!)
  done
  for r in 0 1; do wait "${pids[$r]}" || fail "$name, rank $r: $(tail -n 3 "$work/$name$r.log")"; done
  as_one "$work/${name}0"
}
by_hand slurm_env SLURM_PROCID SLURM_NTASKS SLURM_LOCALID "SLURM_NTASKS_PER_NODE=2(x1)" "SLURM_JOB_NODELIST=localhost,gpu[01-03]"
export bin source work
# (Debian's torchrun cannot start without redirections of that form.)
redirections=(-r 0:1 -t 0:1)
if command -v torchrun >/dev/null && torchrun "${redirections[@]}" --no_python --nproc_per_node 1 true >/dev/null 2>&1; then
  next_port
  # shellcheck disable=SC2016
  torchrun "${redirections[@]}" --no_python --nproc_per_node 2 --master_port $port bash -c \
    'source "$source/tests/support/tiny_training.sh"; train "$work/torchrun$RANK"' >"$work/torchrun.log" 2>&1 ||
    fail "torchrun: $(tail -n 3 "$work/torchrun.log" "$work/torchrun0.log")"
  as_one "$work/torchrun0"
else
  echo "skipped: torchrun (it is not installed); its variables are set by hand"
  by_hand torchrun_env RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=$((port + 1))
fi
if command -v mpirun >/dev/null; then
  next_port
  # shellcheck disable=SC2016
  port=$port mpirun --allow-run-as-root --oversubscribe -n 2 bash -c \
    'source "$source/tests/support/tiny_training.sh"; train "$work/mpirun$OMPI_COMM_WORLD_RANK" --master-port "$port"' \
    >"$work/mpirun.log" 2>&1 || fail "mpirun: $(tail -n 3 "$work/mpirun.log" "$work/mpirun0.log")"
  as_one "$work/mpirun0"
else
  echo "skipped: mpirun (it is not installed); its variables are set by hand"
  by_hand mpi_env OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_LOCAL_RANK
fi
[ "$failures" -eq 0 ]
