#!/bin/bash
# What processes that train together say and do when one of them is missing, differs, fails, is killed or is stopped.
# Usage: process_failures.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
source "$source/tests/support/tiny_training.sh"
export FASTERMASK_TIMEOUT=10
unset RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
port=$((15000 + $$ % 2500)) # other tests that run meanwhile have other thousands
next_port() { port=$((port + 1)); }
said() { grep -qF -e "$2" "$work/$1.log" || fail "$1: expected '$2' in: $(tail -n 6 "$work/$1.log")"; }

make_tiny_scenes || fail "data synth"
"$bin/fastermask" data synth --output "$work/others" --train 12 --val 3 --size 96x80 --seed 4 >/dev/null 2>&1 || fail "data synth"
for set in s others; do # as the data set called coco_2017_train
  mkdir -p "$work/data_$set/coco/annotations"
  ln -s "$work/$set/images/train" "$work/data_$set/coco/train2017"
  ln -s "$work/$set/annotations/instances_train.json" "$work/data_$set/coco/annotations/instances_train2017.json"
done

# Start-up. pair NAME "VARIABLES AND WORDS OF RANK 0" "OF RANK 1" [KEY VALUE ...]: both must end, neither well; their output
# is NAME0.log and NAME1.log.
one_of_pair() { # FOLDER WORLD VARIABLES [KEY VALUE ...]
  local folder="$1" world="$2" variables="$3"
  shift 3
  export WORLD_SIZE="$world" MASTER_PORT=$port
  # shellcheck disable=SC2163,SC2086  # words
  [ -z "$variables" ] || export $variables
  train "$folder" -- "$@"
}
pair() { # NAME WORLD0 WORLD1 VARIABLES0 VARIABLES1 [KEY VALUE ...]; $differs: two more words for rank 1
  local name="$1" world0="$2" world1="$3" variables0="$4" variables1="$5"
  shift 5
  next_port
  # shellcheck disable=SC2086  # words
  (one_of_pair "$work/${name}1" "$world1" "RANK=1 $variables1" "$@" ${differs:-}) &
  (one_of_pair "$work/${name}0" "$world0" "RANK=0 $variables0" "$@") && fail "$name: rank 0 must fail"
  wait $! && fail "$name: rank 1 must fail"
}
differs="SOLVER.BASE_LR 0.5"
pair config 2 2 "" ""
differs=""
for r in 0 1; do said config$r "the config must be the same on all ranks"; done
said config0 "BASE_LR: 0.5 (rank 0: BASE_LR: 0.0015)"
pair data 2 2 FASTERMASK_DATASETS="$work/data_s" FASTERMASK_DATASETS="$work/data_others" DATASETS.TRAIN "('coco_2017_train',)"
for r in 0 1; do said data$r "the data set must be the same on all ranks"; done
said data0 "coco_2017_train of 12 pictures (rank 0: coco_2017_train of 16 pictures)"
pair missing_data 2 2 FASTERMASK_DATASETS="$work/data_s" FASTERMASK_DATASETS="$work/none" DATASETS.TRAIN "('coco_2017_train',)"
said missing_data1 "$work/none"
said missing_data0 "rank 1: "
said missing_data0 "$work/none"
pair numbers 2 3 "" ""
said numbers1 "rank 1 was told of 3 processes, rank 0 of 2"
said numbers0 "rank 1 was told of 3 processes, rank 0 of 2"

# Nobody comes; the other has the same number; the port is another program's.
next_port
(FASTERMASK_TIMEOUT=2; train "$work/alone" --num-machines 2 --master-port $port) && fail "a rank alone must give up"
said alone "waited 2 s at 127.0.0.1:$port for start-up; missing: rank 1 (never came)"
next_port
(FASTERMASK_TIMEOUT=2; train "$work/lost" --num-machines 2 --machine-rank 1 --master-port $port) && fail "without rank 0: an error"
said lost "rank 1 cannot reach rank 0 at 127.0.0.1:$port"
next_port
for r in a b; do (FASTERMASK_TIMEOUT=8; train "$work/twice_$r" --num-machines 3 --machine-rank 1 --master-port $port) & done
(FASTERMASK_TIMEOUT=8; train "$work/twice" --num-machines 3 --master-port $port) && fail "a rank that is there twice must be refused"
wait
said twice "rank 1 of 3 is there twice"

# Losses of a training that nobody disturbs, and of those that somebody does.
period=(SOLVER.MAX_ITER 30 SOLVER.CHECKPOINT_PERIOD 5 TEST.EVAL_PERIOD 0 DATASETS.TEST "()")
next_port
train "$work/quiet" --num-procs 2 --master-port $port -- "${period[@]}" || fail "undisturbed: $(tail -n 3 "$work/quiet.log")"
disturb() { # NAME SIGNAL RANK [OPTION ...]: when $checkpoint is there, the signal goes to the rank ("launcher": to that)
  local name="$1" signal="$2" rank="$3" launcher target
  shift 3
  next_port
  : >"$work/$name.log"
  train "$work/$name" --num-procs 2 --master-port $port "$@" -- "${period[@]}" &
  launcher=$!
  await test -f "$work/$name/$checkpoint" || fail "$name: no checkpoint: $(tail -n 3 "$work/$name.log")"
  target="$(rank_process "$work/$name.log" "${rank/launcher/0}")"
  if [ "$rank" = launcher ]; then target="$(ps -o ppid= -p "$target")"; fi
  if [ "$name" = stopped ]; then cores "$name"; fi
  if [ "$name" = killed ]; then outlives_sockets "$(rank_process "$work/$name.log" 0)"; fi
  # shellcheck disable=SC2086  # ps puts a blank in front
  kill -"$signal" $target || fail "$name: too late"
  wait $launcher
}
cores() { # each process has cores of its own, when there are two
  [ "$(nproc)" -ge 2 ] || return 0
  local a b
  a="$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$(rank_process "$work/$1.log" 0)/status")"
  b="$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$(rank_process "$work/$1.log" 1)/status")"
  { [ -n "$a" ] && [ -n "$b" ] && [ "$a" != "$b" ]; } || fail "the processes must have cores of their own, have '$a' and '$b'"
}
outlives_sockets() { # PROCESS: one that writes to a dead rank's socket must get an error (SIGPIPE, signal 13, is ignored)
  local ignored
  ignored="$(sed -n 's/^SigIgn:[[:space:]]*//p' "/proc/$1/status")"
  [ $((0x${ignored:-0} >> 12 & 1)) -eq 1 ] || fail "SIGPIPE must be ignored in a training of several processes, not '$ignored'"
}
undisturbed() { same_losses "$work/quiet" "$work/$1" || fail "$1: the losses must be those of an undisturbed training"; }

checkpoint=last_checkpoint
disturb killed KILL 1 && fail "a training that lost a process must fail"
said killed "was killed by signal 9"
said killed "Lost: rank 1, last seen in: "
[ ! -f "$work/killed/model_final.pth" ] || fail "killed: it must not have ended"
disturb restarted KILL 1 --max-restarts 1 || fail "a restart must finish: $(tail -n 3 "$work/restarted.log")"
said restarted "restart 1 of 1"
undisturbed restarted
disturb first_killed KILL 0 --max-restarts 1 || fail "rank 0's death must be made up for: $(tail -n 3 "$work/first_killed.log")"
said first_killed "Lost: rank 0"
undisturbed first_killed
disturb stopped STOP 1 --max-restarts 1 || fail "a stopped process must be made up for: $(tail -n 3 "$work/stopped.log")"
said stopped "Lost: rank 1, last seen in: "
said stopped "killing rank 1"
undisturbed stopped
disturb first_stopped STOP 0 && fail "a training whose rank 0 is stopped must fail"
said first_stopped "Lost: rank 0, which holds the store"
# One process ends what two began: its sums are others, and like those of any numbers of processes they agree over 20 steps.
checkpoint=model_0000009.pth
disturb fewer KILL 1 --max-restarts 1 --min-procs 1 || fail "one process must finish: $(tail -n 3 "$work/fewer.log")"
said fewer "restart 1 of 1, 1 processes on this machine"
undisturbed fewer

# Ctrl-C and SIGTERM to the launcher: a checkpoint, status 0, and one process goes on from it.
disturb ended TERM launcher || fail "SIGTERM must end a training well: $(tail -n 3 "$work/ended.log")"
said ended "the same command with --resume goes on from there"
[ ! -f "$work/ended/model_final.pth" ] || fail "SIGTERM: it must not have gone on to the end"
train "$work/ended" --resume -- "${period[@]}" || fail "--resume: $(tail -n 3 "$work/ended.log")"
undisturbed ended

# A machine without rank 0's folder goes on from a checkpoint, too.
next_port
resume() { # RANK
  train "$work/moved$1" --num-machines 2 --machine-rank "$1" --master-port $port --resume -- "${period[@]}"
}
mkdir "$work/moved0"
cp "$work/killed/last_checkpoint" "$work/killed/"model_*.pth "$work/moved0/"
FASTERMASK_TIMEOUT=30 resume 1 &
FASTERMASK_TIMEOUT=30 resume 0 || fail "machine 0 must go on: $(tail -n 3 "$work/moved0.log")"
wait $! || fail "machine 1 must go on: $(tail -n 3 "$work/moved1.log")"
grep -q "has been sent by rank 0" "$work/moved1/log.txt.rank1" || fail "the checkpoint must be sent"
undisturbed moved0
[ "$failures" -eq 0 ]
