# Sourced by .ci/run, with_base and with_cluster: whatever ends them, what they made is taken away.
#
# `run COMMAND...` runs it in a process group of its own, and ends that group where the script is told to end. What is
# to be undone is told to `afterwards COMMAND...`, and done in the opposite order when the script ends.

_undo=()
_child=
# So many seconds after it was told to end a command is killed. What runs within it is killed earlier, so that it can
# still undo what it did.
_patience=${CLEANLY_PATIENCE_SECONDS:-90}

afterwards() { _undo=("$(printf '%q ' "$@")" "${_undo[@]}"); }

# Bash hears of a signal only while it waits. A duration of 0 is none: this timeout only passes signals on.
run() {
  local status=0
  CLEANLY_PATIENCE_SECONDS=$((_patience / 2 + 1)) timeout --kill-after="$_patience" 0 "$@" </dev/null &
  _child=$!
  wait "$_child" || status=$?
  _child=
  return "$status"
}

_end() {
  local status=$? command
  set +e
  trap '' TERM INT HUP
  trap - EXIT
  if [[ -n $_child ]] && kill -TERM "$_child" 2>/dev/null; then wait "$_child"; fi
  for command in "${_undo[@]}"; do
    eval "$command" || { echo "could not undo: $command" >&2; ((status)) || status=1; }
  done
  exit "$status"
}
trap _end EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP

say() { printf '== %s\n' "$*"; }

# How long it took since `began=$SECONDS`.
took() { printf '%d s' $((SECONDS - began)); }
