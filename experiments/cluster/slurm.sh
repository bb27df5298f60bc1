#!/bin/bash
# Runs one command of compound-nas on several machines, through Ray: submit it with sbatch.
# Submitted again, it goes on where it stopped, since the run folder holds everything.
#SBATCH --job-name=@NAME@
#SBATCH --nodes=@NODES@
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=@CPUS@
@OPTIONS@
#SBATCH --time=@TIME@
#SBATCH --output=%x-%j.log
#SBATCH --requeue
# Two minutes before the time is up this script hears of it, and ends the command as Ctrl-C does.
#SBATCH --signal=B:USR1@120
set -euo pipefail

@ENV@

cpus=@CPUS@
gpus=@GPUS@
wait_seconds=600
export RAY_USAGE_STATS_ENABLED=0
# Only this job's own processes may use its Ray; srun hands the token on in the environment.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
export RAY_agent_register_timeout_ms=300000 # on a busy machine or disk Ray starts slowly
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
head_ip=$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address)
head_ip=${head_ip%% *}
# Two jobs that share a machine get ports of their own; workers' ports are above all of these.
offset=$((SLURM_JOB_ID % 1000 * 10))
port=$((10000 + offset))
address=$head_ip:$port
temporary=${TMPDIR:-/tmp}/ray-$SLURM_JOB_ID
steps=()
driver=

end() {
    status=$?
    trap - EXIT
    if [[ -n $driver ]]; then kill -TERM "$driver" 2>/dev/null || true; fi
    if ((${#steps[@]})); then
        kill -TERM "${steps[@]}" 2>/dev/null || true
        wait "${steps[@]}" 2>/dev/null || true
    fi
    rm -rf "$temporary"
    exit "$status"
}
trap end EXIT
interrupt() {
    if [[ -n $driver ]]; then kill -INT "$driver" 2>/dev/null || true; else exit 130; fi
}
trap interrupt USR1 INT TERM

srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --block --node-ip-address="$head_ip" --port="$port" \
    --ray-client-server-port=$((port + 1)) --dashboard-agent-listen-port=$((port + 2)) \
    --min-worker-port=20000 --max-worker-port=29999 --include-dashboard=false \
    --num-cpus="$cpus" --num-gpus="$gpus" --temp-dir="$temporary" &
steps+=($!)


# Waits until so many machines have joined, unless Ray ends on one of them.
await() {
    nas cluster wait "$address" --nodes "$1" --seconds "$wait_seconds" &
    local waiting=$! step
    while kill -0 "$waiting" 2>/dev/null; do
        for step in "${steps[@]}"; do
            if ! kill -0 "$step" 2>/dev/null; then
                echo "Ray ended on a machine before all had joined; its log is above" >&2
                kill "$waiting" 2>/dev/null || true
                exit 1
            fi
        done
        sleep 1
    done
    wait "$waiting"
}
await 1
if ((${#nodes[@]} > 1)); then
    srun --overlap --nodes=$((${#nodes[@]} - 1)) --ntasks=$((${#nodes[@]} - 1)) \
        --ntasks-per-node=1 --exclude="$head" \
        ray start --block --address="$address" --min-worker-port=20000 --max-worker-port=29999 \
        --num-cpus="$cpus" --num-gpus="$gpus" &
    steps+=($!)
    await "${#nodes[@]}"
fi

export NAS_ADDRESS=$address
set -m # or the command would be started with SIGINT ignored
@COMMAND@ &
driver=$!
set +m
while true; do
    status=0
    wait "$driver" || status=$?
    kill -0 "$driver" 2>/dev/null || break # else a signal ended the waiting, not the command
done
driver=
exit "$status"
