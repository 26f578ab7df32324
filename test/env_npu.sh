#!/bin/bash
# The environment of Ascend devices, for `source`: CANN's own settings where it is installed, quiet logs, and task queues.
# On a machine without such devices this changes nothing that FasterMask reads.
for cann_settings in "${ASCEND_TOOLKIT_HOME:-}/set_env.sh" "${ASCEND_HOME:-}/ascend-toolkit/set_env.sh" \
  /usr/local/Ascend/ascend-toolkit/set_env.sh; do
  # Written by others: it may read variables that are not set.
  # shellcheck disable=SC1090
  if [ -f "$cann_settings" ]; then
    case $- in *u*) set +u && source "$cann_settings" && set -u ;; *) source "$cann_settings" ;; esac
    break
  fi
done
export ASCEND_SLOG_PRINT_TO_STDOUT=0   # device logs stay in their files
export ASCEND_GLOBAL_LOG_LEVEL=3       # errors only
export ASCEND_GLOBAL_EVENT_ENABLE=0
export TASK_QUEUE_ENABLE=1             # operators are queued, not waited for
export PTCOPY_ENABLE=1
export COMBINED_ENABLE=1
export DYNAMIC_OP="ADD#MUL"
export HCCL_WHITELIST_DISABLE=1
